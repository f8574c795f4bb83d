/** What ended last among transfers, said to somebody who does not see them. What had ended before is no news. */
import type { Transfer, TransferId } from '$lib/api';
import { endWords } from './words';

export class News {
  said = $state('');
  #known: ReadonlyMap<TransferId, string | null> | null = null;

  follow(transfers: readonly Transfer[]): void {
    const known = this.#known;
    this.#known = new Map(transfers.map((transfer) => [transfer.id, endWords(transfer)]));
    if (!known) return;
    for (const [id, words] of this.#known) {
      const before = known.get(id) ?? null;
      if (words !== before) this.said = words ?? '';
    }
  }
}
