/** What is wrong with a connection for longer than a moment: what is over within a second is worth no word and no room. */
import type { Trouble } from './connection';

const MOMENT_MS = 1_000;

export class Lasting {
  trouble = $state.raw<Trouble | null>(null);
  #latest: Trouble | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** What is wrong from the beginning may have been wrong for long. */
  constructor(trouble: Trouble | null) {
    if (trouble?.tone === 'plain') this.put(trouble);
    else this.trouble = trouble;
  }

  put(trouble: Trouble | null): void {
    this.#latest = trouble;
    // What does not mend itself is said at once.
    if (!trouble || trouble.tone === 'bad' || this.trouble) this.#show();
    else this.#timer ??= setTimeout(() => this.#show(), MOMENT_MS);
  }

  #show(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.trouble = this.#latest;
  }
}
