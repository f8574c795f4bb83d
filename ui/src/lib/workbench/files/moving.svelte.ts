/** Files and folders that go between this computer and a channel's sandbox. How far they are, the space's transfers tell. */
import { CallError, type Backend, type ChannelId } from '$lib/api';

interface Problem {
  title: string;
  error: CallError;
}

export class Moving {
  /** The folder under what is dragged from the desktop; `null` while nothing is, or where it would go nowhere. */
  target = $state<string | null>(null);
  problem = $state.raw<Problem | null>(null);

  readonly #backend: Backend;
  readonly #channel: ChannelId;

  constructor(backend: Backend, channel: ChannelId) {
    this.#backend = backend;
    this.#channel = channel;
  }

  /** Asks what to send into a folder, and sends it. */
  async choose(what: 'files' | 'folder', to: string): Promise<void> {
    await this.#try('Nothing was uploaded', async () => {
      const title = what === 'files' ? 'Upload files' : 'Upload a folder';
      await this.#send(await this.#backend.choose({ what, title }), to);
    });
  }

  /** Sends what was dropped on a folder. */
  async drop(from: string[], to: string): Promise<void> {
    await this.#try('Nothing was uploaded', () => this.#send(from, to));
  }

  /** Asks where to put what is in the sandbox, and fetches it. */
  async fetch(from: string[]): Promise<void> {
    await this.#try('Nothing was downloaded', async () => {
      const [to] = await this.#backend.choose({ what: 'folder', title: 'Download to' });
      if (to !== undefined)
        await this.#backend.call('transfer.download', { channel: this.#channel, from, to });
    });
  }

  async #send(from: string[], to: string): Promise<void> {
    if (from.length > 0) await this.#backend.call('transfer.upload', { channel: this.#channel, from, to });
  }

  async #try(title: string, act: () => Promise<void>): Promise<void> {
    this.problem = null;
    try {
      await act();
    } catch (failed) {
      this.problem = { title, error: CallError.from(failed) };
    }
  }
}
