/**
 * Bytes on their way to a shell: what is typed or pasted at once goes out as one message, and the next message once the one
 * before has arrived. Two that are under way at once may overtake each other.
 */
export class Outbox {
  readonly #send: (bytes: Uint8Array) => Promise<void>;
  #waiting: Uint8Array[] = [];
  #sending = false;

  constructor(send: (bytes: Uint8Array) => Promise<void>) {
    this.#send = send;
  }

  put(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    if (this.#sending) return;
    this.#sending = true;
    queueMicrotask(() => void this.#flush());
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const all = new Uint8Array(this.#waiting.reduce((length, bytes) => length + bytes.length, 0));
      let at = 0;
      for (const bytes of this.#waiting) {
        all.set(bytes, at);
        at += bytes.length;
      }
      this.#waiting = [];
      // Whoever sends tells of what went wrong; what is typed later is sent all the same.
      await this.#send(all).catch(() => undefined);
    }
    this.#sending = false;
  }
}
