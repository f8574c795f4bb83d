/** Bytes on their way to a shell: what is typed or pasted at once goes out as one message. */
export class Outbox {
  readonly #send: (bytes: Uint8Array) => void;
  #waiting: Uint8Array[] = [];

  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send;
  }

  put(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    if (this.#waiting.length === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const all = new Uint8Array(this.#waiting.reduce((length, bytes) => length + bytes.length, 0));
    let at = 0;
    for (const bytes of this.#waiting) {
      all.set(bytes, at);
      at += bytes.length;
    }
    this.#waiting = [];
    this.#send(all);
  }
}
