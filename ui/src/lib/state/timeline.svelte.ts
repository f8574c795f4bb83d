/** The mirror of one channel's timeline: pages fetched on demand, kept true by events. */
import { SvelteMap } from 'svelte/reactivity';
import { CallError, type ActionId, type Backend, type ChannelId, type Entry, type EntryId } from '$lib/api';

const PAGE = 100;
/** Of a running action's output only the end is kept; the whole is in the sandbox. */
const LIVE_LIMIT = 256 * 1024;

export class Timeline {
  /** By `seq`, oldest first. */
  entries = $state.raw<Entry[]>([]);
  /** Whether older entries can be fetched. */
  more = $state(false);
  loaded = $state(false);
  loading = $state(false);
  error = $state.raw<CallError | null>(null);
  /** What running actions printed so far. */
  readonly live = new SvelteMap<ActionId, string>();

  readonly #backend: Backend;
  readonly #channel: ChannelId;
  /** Entries that came by event while a page was under way; they are newer than the page. */
  readonly #fresh = new Set<EntryId>();
  readonly #awaited = new Map<ActionId, () => void>();

  constructor(backend: Backend, channel: ChannelId) {
    this.#backend = backend;
    this.#channel = channel;
  }

  /** Fetches the newest page, unless it is here. */
  async open(): Promise<void> {
    if (!this.loaded && !this.loading) await this.#fetch(undefined);
  }

  /** Fetches the newest page again, after events were missed. */
  async refresh(): Promise<void> {
    if (this.loaded && !this.loading) await this.#fetch(undefined);
  }

  async loadOlder(): Promise<void> {
    const oldest = this.entries[0];
    if (this.more && !this.loading && oldest) await this.#fetch(oldest.seq);
  }

  /** Adds or replaces an entry. */
  put(entry: Entry): void {
    if (this.loading) this.#fresh.add(entry.id);
    this.#merge([entry]);
    if (entry.body.kind !== 'action') return;
    const { action, status } = entry.body.card;
    if (status.state !== 'running') this.live.delete(action);
    this.#awaited.get(action)?.();
    this.#awaited.delete(action);
  }

  /** Adds to what a running action printed. */
  print(action: ActionId, text: string): void {
    const printed = (this.live.get(action) ?? '') + text;
    this.live.set(action, printed.length > LIVE_LIMIT ? printed.slice(-LIVE_LIMIT) : printed);
  }

  /** Resolves when an action's card arrives. */
  appeared(action: ActionId): Promise<void> {
    return new Promise((resolve) => this.#awaited.set(action, resolve));
  }

  async #fetch(before: number | undefined): Promise<void> {
    this.loading = true;
    this.error = null;
    try {
      const request = { channel: this.#channel, limit: PAGE, ...(before !== undefined && { before }) };
      const page = await this.#backend.call('timeline.list', request);
      const stale = page.entries.filter(({ id }) => !this.#fresh.has(id));
      const overlaps = stale.some(({ id }) => this.entries.some((known) => known.id === id));
      // After a long silence the newest page may not reach back to what is here: then begin anew.
      if (before === undefined && this.loaded && !overlaps && page.more) {
        this.entries = this.entries.filter(({ id }) => this.#fresh.has(id));
      }
      if (before !== undefined || !overlaps) this.more = page.more;
      this.#merge(stale);
      this.loaded = true;
    } catch (error) {
      this.error = CallError.from(error);
    } finally {
      this.loading = false;
      this.#fresh.clear();
    }
  }

  #merge(entries: Entry[]): void {
    const known = new Map(this.entries.map((entry) => [entry.id, entry]));
    for (const entry of entries) known.set(entry.id, entry);
    const last = this.entries.at(-1);
    const inOrder = entries.length === 1 && (!last || (entries[0]?.seq ?? 0) >= last.seq);
    const merged = [...known.values()];
    this.entries = inOrder ? merged : merged.sort((a, b) => a.seq - b.seq);
  }
}
