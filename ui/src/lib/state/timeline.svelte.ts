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
  /** Entries that came by event while a page was under way; they are newer than the page's. */
  readonly #fresh = new Map<EntryId, Entry>();
  /** Up to this `seq` nothing is missing, though events were missed after it; `null` while none were. */
  #sure: number | null = null;
  /** Events were missed while a page was under way. */
  #again = false;
  /** Before which entry the page lies that could not be fetched. */
  #failed: number | undefined;
  readonly #awaited = new Map<ActionId, () => void>();

  constructor(backend: Backend, channel: ChannelId) {
    this.#backend = backend;
    this.#channel = channel;
  }

  /** Fetches the newest page, unless it is here. After a failure only `retry` does. */
  async open(): Promise<void> {
    if (!this.loaded && !this.loading && !this.error) await this.#fetch(undefined);
  }

  /** Fetches the newest page again, after events were missed; while another page comes, right after that. */
  async refresh(): Promise<void> {
    this.#sure ??= this.loaded ? (this.entries.at(-1)?.seq ?? -1) : -1;
    if (this.loading) this.#again = true;
    else if (this.loaded || this.error) await this.#fetch(undefined);
  }

  /** Fetches the page that could not be fetched. */
  async retry(): Promise<void> {
    if (!this.loading) await this.#fetch(this.#failed);
  }

  async loadOlder(): Promise<void> {
    const oldest = this.entries[0];
    if (this.more && !this.loading && oldest) await this.#fetch(oldest.seq);
  }

  /** Adds or replaces an entry. */
  put(entry: Entry): void {
    if (this.loading) this.#fresh.set(entry.id, entry);
    // A change to an entry before the oldest one here: put in, it would hide that those between are missing.
    const [oldest] = this.entries;
    if (!this.loaded || !this.more || !oldest || entry.seq >= oldest.seq) this.#merge([entry]);
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
    const newest = before === undefined;
    const sure = this.#sure;
    if (newest) this.#sure = null;
    try {
      const request = { channel: this.#channel, limit: PAGE, ...(!newest && { before }) };
      const page = await this.#backend.call('timeline.list', request);
      const first = page.entries[0]?.seq ?? Infinity;
      const reaches = newest && this.loaded && sure !== null && first <= sure;
      if (!reaches) this.more = page.more;
      // The newest page may not reach back to what is here: what lies before it begins anew.
      if (newest && !reaches && page.more) this.entries = this.entries.filter(({ seq }) => seq >= first);
      this.#merge(page.entries.map((entry) => this.#fresh.get(entry.id) ?? entry));
      this.loaded = true;
    } catch (error) {
      this.error = CallError.from(error);
      this.#failed = before;
      if (newest) this.#sure = sure ?? this.#sure;
    } finally {
      this.loading = false;
      this.#fresh.clear();
    }
    if (!this.#again) return;
    this.#again = false;
    await this.#fetch(undefined);
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
