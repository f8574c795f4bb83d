/**
 * The files of one channel: the tree, the open file, and what a person does to them. It lives as long as the
 * channel, so that nothing typed is lost when its panel leaves the screen.
 */
import { type Backend, CallError, type Channel, type ChannelId } from '$lib/api';
import { shellWord } from '$lib/kit/sh';
import { shown } from '$lib/kit/shown';
import { forgetOthers, store, stored } from '$lib/state/stored';
import { OpenFile } from '../editor/open-file.svelte';
import { editing } from '../editor/setup';
import { Moving } from './moving.svelte';
import { copyName } from './names';
import { isWithin, join, moved, nameOf, parentOf } from './paths';
import { FileTree } from './tree.svelte';

const REMEMBERED = 'berth.files.';

interface Remembered {
  expanded: string[];
  open: string | null;
}

/** What can be made. */
export type Made = 'file' | 'folder';

export class Files {
  readonly tree: FileTree;
  readonly moving: Moving;
  /** The file in the editor. */
  open = $state.raw<OpenFile | null>(null);
  /** The entry whose name is being changed. */
  renaming = $state<string | null>(null);
  /** What is being named in the tree's draft row. */
  making = $state<Made>('file');

  readonly root: string;
  readonly #backend: Backend;
  readonly #channel: ChannelId;

  constructor(backend: Backend, channel: Channel) {
    this.#backend = backend;
    this.#channel = channel.id;
    this.root = channel.workdir;
    this.tree = new FileTree(this.root, (path, offset, limit) =>
      backend.call('action.list', { channel: channel.id, path, offset, limit }),
    );
    this.moving = new Moving(backend, channel.id);
    this.tree.paused = true;
    const { expanded, open } = recall(channel.id);
    for (const path of expanded) this.tree.expand(path);
    if (open !== null) this.show(open);
  }

  /**
   * Whether the sandbox runs. While it does not, nothing is read from it: to look into a sandbox that sleeps would wake
   * it up. What was missed is read when it runs again.
   */
  awake(on: boolean): void {
    if (this.tree.paused === !on) return;
    this.tree.paused = !on;
    if (!on) return;
    if (this.tree.error) this.tree.refresh();
    else this.tree.changed([]);
    if (this.open?.view.kind === 'loading') void this.open.load();
    else void this.open?.check();
  }

  /** Opens a file in the editor; what was there before is left, saved or not. */
  show(path: string): void {
    if (this.open?.path !== path) {
      this.open = new OpenFile(this.#backend, this.#channel, path, editing(nameOf(path)));
      if (!this.tree.paused) void this.open.load();
    }
    this.tree.reveal(path);
    this.remember();
  }

  close(): void {
    this.open = null;
    this.remember();
  }

  /** Files below these paths may have changed; no paths means any of them. */
  changed(paths: string[]): void {
    this.tree.changed(paths);
    const { open } = this;
    if (open && !this.tree.paused && (paths.length === 0 || paths.some((path) => isWithin(open.path, path))))
      void open.check();
  }

  /** Begins to name something new. */
  make(kind: Made, folder: string): void {
    this.tree.query = '';
    this.making = kind;
    this.tree.startDraft(folder);
  }

  async createFile(folder: string, name: string): Promise<void> {
    const path = join(folder, name);
    if (await this.#exists(path)) throw new Error(`There is “${shown(name)}” already.`);
    await this.#backend.call('action.write', { channel: this.#channel, path, content: '' });
    this.tree.changed([path]);
    this.show(path);
  }

  async createFolder(folder: string, name: string): Promise<void> {
    await this.#run(folder, `mkdir -p -- ${shellWord(name)}`);
    this.tree.changed([join(folder, name)]);
    this.tree.reveal(join(folder, name));
  }

  async rename(path: string, name: string): Promise<void> {
    const to = join(parentOf(path), name);
    const expanded = this.tree.expanded
      .map((folder) => moved(folder, path, to))
      .filter((folder) => folder !== null);
    await this.#backend.call('action.move', { channel: this.#channel, from: path, to, replace: false });
    for (const folder of expanded) this.tree.expand(folder);
    const open = this.open && moved(this.open.path, path, to);
    if (this.open && open !== null) this.open.path = open;
    this.tree.changed([path, to]);
    this.tree.reveal(to);
    this.remember();
  }

  async duplicate(path: string): Promise<void> {
    const folder = parentOf(path);
    const name = nameOf(path);
    const copy = copyName(name, (taken) => this.tree.entry(join(folder, taken)) !== undefined);
    const [from, to] = [shellWord(`./${name}`), shellWord(`./${copy}`)];
    await this.#run(folder, `test ! -e ${to} && cp -a -- ${from} ${to}`);
    this.tree.changed([join(folder, copy)]);
    this.tree.active = join(folder, copy);
  }

  async remove(path: string): Promise<void> {
    const entry = this.tree.entry(path);
    const recursive = entry?.kind === 'folder';
    await this.#backend.call('action.delete', { channel: this.#channel, path, recursive });
    if (this.open && isWithin(this.open.path, path)) this.close();
    this.tree.changed([path]);
  }

  /** Keeps what is open for the next start of the app. */
  remember(): void {
    const open = this.open?.path ?? null;
    store(REMEMBERED + this.#channel, {
      expanded: this.tree.expanded.slice(0, 200),
      open,
    } satisfies Remembered);
  }

  /** Forgets what was kept; the channel is gone. */
  forget(): void {
    localStorage.removeItem(REMEMBERED + this.#channel);
  }

  /** Forgets what was kept of all channels but these. */
  static keep(channels: readonly ChannelId[]): void {
    forgetOthers(REMEMBERED, channels);
  }

  async #exists(path: string): Promise<boolean> {
    try {
      await this.#backend.call('action.stat', { channel: this.#channel, path });
      return true;
    } catch (error) {
      if (CallError.from(error).code === 'not_found') return false;
      throw error;
    }
  }

  async #run(cwd: string, command: string): Promise<void> {
    const { exit_code, stderr } = await this.#backend.call('action.run', {
      channel: this.#channel,
      command,
      cwd,
      background: false,
      service: false,
      timeout_s: 300,
    });
    if (exit_code !== 0) throw new Error(stderr.trim() || `It ended with code ${exit_code}.`);
  }
}

function recall(channel: ChannelId): Remembered {
  const { expanded, open } = stored<Remembered>(REMEMBERED + channel);
  return {
    expanded: Array.isArray(expanded) ? expanded.filter((path) => typeof path === 'string') : [],
    open: typeof open === 'string' ? open : null,
  };
}
