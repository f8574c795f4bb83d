/** Files and folders that go between this computer and a channel's sandbox. How far they are, the space's transfers tell. */
import { SvelteSet } from 'svelte/reactivity';
import { CallError, type Backend, type ChannelId } from '$lib/api';
import { nameHere } from './names';
import { join, nameOf } from './paths';

interface Problem {
  title: string;
  error: CallError;
}

/** What is where something of the same name is to go; a person says whether it is to be replaced. */
export interface Replacing {
  names: string[];
  /** The folder that they are in. */
  folder: string;
  /** How many of what is sent were looked for, where that is not all. */
  looked: number | null;
  answer: (replace: boolean) => void;
}

/** So many are looked for before they are sent: each is a round trip. */
const LOOKED = 20;

export class Moving {
  /** The folder under what is dragged from the desktop; `null` while nothing is, or where it would go nowhere. */
  target = $state<string | null>(null);
  problem = $state.raw<Problem | null>(null);
  /** What waits for a person's word, the oldest first. */
  replacing = $state.raw<Replacing[]>([]);

  readonly #backend: Backend;
  readonly #channel: ChannelId;
  /** What ends each look that goes on. */
  readonly #looks = new SvelteSet<() => void>();

  constructor(backend: Backend, channel: ChannelId) {
    this.#backend = backend;
    this.#channel = channel;
  }

  /** Whether it is being looked for what would be replaced. */
  get looking(): boolean {
    return this.#looks.size > 0;
  }

  /** Looks no longer, and sends nothing. */
  giveUp(): void {
    for (const end of this.#looks) end();
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
  async fetch(from: string): Promise<void> {
    await this.#try('Nothing was downloaded', async () => {
      const [to] = await this.#backend.choose({ what: 'folder', title: 'Download to' });
      if (to === undefined) return;
      const download = (replace: boolean) =>
        this.#backend.call('transfer.download', { channel: this.#channel, from: [from], to, replace });
      try {
        await download(false);
      } catch (failed) {
        if (CallError.from(failed).code !== 'conflict') throw failed;
        if (await this.#mayReplace({ names: [nameOf(from)], folder: to, looked: null })) await download(true);
      }
    });
  }

  async #send(from: string[], to: string): Promise<void> {
    if (from.length === 0) return;
    const names = await this.#look([...new Set(from.slice(0, LOOKED).map(nameHere))], to);
    if (names === null) return;
    const looked = from.length > LOOKED ? LOOKED : null;
    if (names.length > 0 && !(await this.#mayReplace({ names, folder: to, looked }))) return;
    await this.#backend.call('transfer.upload', { channel: this.#channel, from, to });
  }

  /** Which of these names a folder has already; `null` where nobody waits for that any more. */
  async #look(names: string[], folder: string): Promise<string[] | null> {
    let end = (): void => undefined;
    const ended = new Promise<null>((resolve) => (end = () => resolve(null)));
    this.#looks.add(end);
    const found = Promise.all(names.map((name) => this.#isThere(join(folder, name))));
    try {
      return await Promise.race([found.then((there) => names.filter((_, at) => there[at])), ended]);
    } finally {
      this.#looks.delete(end);
    }
  }

  async #isThere(path: string): Promise<boolean> {
    try {
      await this.#backend.call('action.stat', { channel: this.#channel, path });
      return true;
    } catch {
      return false;
    }
  }

  #mayReplace(what: Omit<Replacing, 'answer'>): Promise<boolean> {
    return new Promise((resolve) => {
      const asked: Replacing = {
        ...what,
        answer: (replace) => {
          this.replacing = this.replacing.filter((other) => other !== asked);
          resolve(replace);
        },
      };
      this.replacing = [...this.replacing, asked];
    });
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
