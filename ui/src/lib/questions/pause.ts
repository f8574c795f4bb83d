/**
 * Questions come unasked. Where somebody was typing, the keys that are on their way are meant for something else: none of
 * them counts until no more come for a moment.
 */
const PAUSE_MS = 700;

export class Pause {
  readonly #now: () => number;
  /** Until when keys are not meant for the question. */
  #until: number;

  constructor(typing: boolean, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#until = typing ? now() + PAUSE_MS : 0;
  }

  /** Whether a key that is pressed now is not meant for the question. */
  swallows(): boolean {
    const at = this.#now();
    if (at >= this.#until) return false;
    this.#until = at + PAUSE_MS;
    return true;
  }
}
