/**
 * Files and folders on their way. Their events come many times a second; what runs is shown a few times a second, and
 * only the line that changed is drawn again. What a transfer's end means is shown at once.
 */
import { SvelteMap } from 'svelte/reactivity';
import type { ChannelId, Transfer, TransferId } from '$lib/api';

/** How often progress is shown (ms). */
const SHOW_MS = 250;
/** The rate is that of about the last so many ms, so that it is calm and still follows. */
const WINDOW_MS = 4_000;

/** A transfer as it is shown. */
export interface Progress {
  transfer: Transfer;
  /** Bytes a second; `null` until it can be told. */
  rate: number | null;
}

interface Sample {
  at: number;
  done: number;
}

export class Transfers {
  readonly #shown = new SvelteMap<TransferId, Progress>();
  readonly #samples = new Map<TransferId, Sample[]>();
  readonly #waiting = new Map<TransferId, Transfer>();
  readonly #now: () => number;
  /** Whether what waits is about to be shown. */
  #due = false;

  constructor(now: () => number = () => Date.now()) {
    this.#now = now;
  }

  /** Those of a channel, oldest first. */
  of(channel: ChannelId): TransferId[] {
    return [...this.#shown].filter(([, { transfer }]) => transfer.channel === channel).map(([id]) => id);
  }

  get(id: TransferId): Progress | undefined {
    return this.#shown.get(id);
  }

  reset(transfers: readonly Transfer[]): void {
    this.#waiting.clear();
    this.#samples.clear();
    const kept = new Set(transfers.map(({ id }) => id));
    for (const id of [...this.#shown.keys()]) if (!kept.has(id)) this.#shown.delete(id);
    for (const transfer of transfers) this.#show(transfer);
  }

  put(transfer: Transfer): void {
    const known = this.#shown.get(transfer.id)?.transfer;
    if (transfer.status.state !== 'running' || known?.status.state !== 'running') {
      this.#waiting.delete(transfer.id);
      // One that goes on begins at a rate of its own.
      this.#samples.delete(transfer.id);
      this.#show(transfer);
      return;
    }
    this.#waiting.set(transfer.id, transfer);
    if (this.#due) return;
    this.#due = true;
    setTimeout(() => this.#flush(), SHOW_MS);
  }

  remove(id: TransferId): void {
    this.#waiting.delete(id);
    this.#samples.delete(id);
    this.#shown.delete(id);
  }

  #flush(): void {
    this.#due = false;
    for (const transfer of this.#waiting.values()) this.#show(transfer);
    this.#waiting.clear();
  }

  #show(transfer: Transfer): void {
    const rate = transfer.status.state === 'running' ? this.#rate(transfer) : null;
    this.#shown.set(transfer.id, { transfer, rate });
  }

  #rate({ id, done }: Transfer): number | null {
    const at = this.#now();
    const samples = [...(this.#samples.get(id) ?? []), { at, done }].filter(
      (sample) => at - sample.at <= WINDOW_MS,
    );
    this.#samples.set(id, samples);
    const [first] = samples;
    return first && at - first.at >= SHOW_MS ? ((done - first.done) * 1000) / (at - first.at) : null;
  }
}
