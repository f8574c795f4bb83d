/** What was sent from a composer, to be had again with the arrow keys. */
const LIMIT = 100;

export class InputHistory {
  #sent: string[] = [];
  /** How far back; 0 is the draft. */
  #back = 0;
  #draft = '';

  push(text: string): void {
    if (this.#sent.at(-1) !== text) this.#sent.push(text);
    if (this.#sent.length > LIMIT) this.#sent.shift();
    this.#back = 0;
  }

  /** The entry before the one shown; `null` at the oldest. */
  older(shown: string): string | null {
    if (this.#back >= this.#sent.length) return null;
    if (this.#back === 0) this.#draft = shown;
    this.#back += 1;
    return this.#sent.at(-this.#back) ?? null;
  }

  /** The entry after the one shown, the draft last; `null` when the draft is shown already. */
  newer(): string | null {
    if (this.#back === 0) return null;
    this.#back -= 1;
    return this.#back === 0 ? this.#draft : (this.#sent.at(-this.#back) ?? null);
  }
}
