/** The mirror of one channel's audit log, newest first; fetched while it is looked at. */
import { CallError, type AuditRow, type Backend, type ChannelId } from '$lib/api';

const PAGE = 100;

export class AuditLog {
  rows = $state.raw<AuditRow[]>([]);
  more = $state(false);
  loaded = $state(false);
  loading = $state(false);
  error = $state.raw<CallError | null>(null);

  readonly #backend: Backend;
  readonly #channel: ChannelId;
  #again = false;

  constructor(backend: Backend, channel: ChannelId) {
    this.#backend = backend;
    this.#channel = channel;
  }

  /** Fetches what is new. Asked again while it does, it does so once more afterwards. */
  async refresh(): Promise<void> {
    if (this.loading) {
      this.#again = true;
      return;
    }
    await this.#fetch(undefined);
    if (this.#again) {
      this.#again = false;
      await this.refresh();
    }
  }

  async loadOlder(): Promise<void> {
    const oldest = this.rows.at(-1);
    if (this.more && !this.loading && oldest) await this.#fetch(oldest.row);
  }

  async #fetch(before: number | undefined): Promise<void> {
    this.loading = true;
    try {
      const request = { channel: this.#channel, limit: PAGE, ...(before !== undefined && { before }) };
      const { rows } = await this.#backend.call('audit.list', request);
      const reaches = rows.some(({ row }) => this.rows.some((known) => known.row === row));
      const kept = before === undefined && !reaches ? [] : this.rows;
      if (before !== undefined || !reaches) this.more = rows.length === PAGE;
      const all = new Map([...kept, ...rows].map((row) => [row.row, row]));
      this.rows = [...all.values()].sort((a, b) => b.row - a.row);
      this.loaded = true;
      this.error = null;
    } catch (error) {
      this.error = CallError.from(error);
    } finally {
      this.loading = false;
    }
  }
}
