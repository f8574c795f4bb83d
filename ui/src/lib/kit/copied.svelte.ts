/** Whether something was just copied: said for a moment, then the button is as before. */
import { copyText } from './copy';

const SAID_MS = 1_500;

export class Copied {
  now = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;

  async copy(text: string): Promise<void> {
    this.now = await copyText(text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.now = false), SAID_MS);
  }
}
