/**
 * One open file: what is in it, what the person changed, and what happened to it meanwhile. Nothing the person typed
 * is ever lost: a save names the version it is based on, and where the file has another one both are kept.
 */
import { isolateHistory } from '@codemirror/commands';
import { type EditorState, type Extension, type Text, Transaction } from '@codemirror/state';
import {
  CallError,
  type Backend,
  type ChannelId,
  type FileContent,
  type FileRead,
  type RpcError,
} from '$lib/api';
import { difference, endLinesAs, linesOf, stateOf, textOf } from './text';

/** Read at once; of longer files the beginning is shown and not edited. */
const LINES = 50_000;

export type View =
  | { kind: 'loading' }
  | { kind: 'failed'; error: CallError }
  | { kind: 'text'; part: { lines: number; of: number | null } | null }
  | { kind: 'image'; mime: string; base64: string }
  | { kind: 'binary'; looksLike: string | null };

/** How the file on disk differs from what the person's changes are based on. */
type Trouble = { kind: 'changed' } | { kind: 'conflict'; theirs: string; version: string } | { kind: 'gone' };

/** The editor on screen that shows this file. */
export interface Screen {
  dispatch(transaction: Transaction): void;
  setState(state: EditorState): void;
}

type Files = Pick<Backend, 'call'>;

export class OpenFile {
  path = $state('');
  view = $state.raw<View>({ kind: 'loading' });
  size = $state(0);
  unsaved = $state(false);
  saving = $state(false);
  /** Why it could not be saved. */
  problem = $state.raw<CallError | null>(null);
  trouble = $state.raw<Trouble | null>(null);
  /** When somebody else's change was taken over. */
  followed = $state<number | null>(null);

  readonly #backend: Files;
  readonly #channel: ChannelId;
  readonly #extensions: Extension;
  #state: EditorState;
  #saved: Text;
  #version: string | null = null;
  #screen: Screen | null = null;
  #checking = false;
  #checkAgain = false;

  constructor(backend: Files, channel: ChannelId, path: string, extensions: Extension = []) {
    this.#backend = backend;
    this.#channel = channel;
    this.#extensions = extensions;
    this.path = path;
    this.#state = stateOf('', extensions);
    this.#saved = this.#state.doc;
  }

  get state(): EditorState {
    return this.#state;
  }

  get editable(): boolean {
    return this.view.kind === 'text' && this.view.part === null;
  }

  /** What would be written now. */
  get text(): string {
    return textOf(this.#state);
  }

  /** Shows it in an editor, until that is taken away. */
  attach(screen: Screen): () => void {
    this.#screen = screen;
    return () => {
      if (this.#screen === screen) this.#screen = null;
    };
  }

  /** The editor's state after a transaction. */
  update(state: EditorState): void {
    this.#state = state;
    this.unsaved = !state.doc.eq(this.#saved);
    if (this.trouble?.kind === 'changed' && !this.unsaved) void this.check();
  }

  async load(): Promise<void> {
    if (this.view.kind !== 'text') this.view = { kind: 'loading' };
    try {
      this.#show(await this.#read());
    } catch (error) {
      this.view = { kind: 'failed', error: CallError.from(error) };
    }
  }

  /** Writes it; whether it is on disk now. */
  async save(): Promise<boolean> {
    if (!this.editable || this.saving) return false;
    if (!this.unsaved && this.trouble === null) return true;
    return this.#write(this.#version);
  }

  /** Something may have happened to the file: takes it over where nothing is unsaved, else says so. */
  async check(): Promise<void> {
    if (this.saving || this.view.kind === 'loading' || this.trouble?.kind === 'conflict') return;
    if (this.#checking) {
      this.#checkAgain = true;
      return;
    }
    this.#checking = true;
    await this.#compare();
    this.#checking = false;
    if (this.#checkAgain) {
      this.#checkAgain = false;
      await this.check();
    }
  }

  /** Fetches the other version, so that both can be seen side by side. */
  async compare(): Promise<void> {
    this.problem = null;
    try {
      const { content, version } = await this.#read();
      if (whole(content) === null) throw new CallError(NO_TEXT);
      this.trouble = { kind: 'conflict', theirs: whole(content) ?? '', version };
    } catch (error) {
      const failed = CallError.from(error);
      if (failed.code === 'not_found') this.trouble = { kind: 'gone' };
      else this.problem = failed;
    }
  }

  /** Writes what the person has, over the other version. */
  async keepMine(): Promise<boolean> {
    const { trouble } = this;
    return this.#write(trouble?.kind === 'conflict' ? trouble.version : null);
  }

  /** Takes the other version; one undo brings back what the person had. */
  takeTheirs(): void {
    if (this.trouble?.kind !== 'conflict') return;
    const { theirs, version } = this.trouble;
    this.trouble = null;
    this.#take(theirs, version, true);
  }

  /** Back to editing, with the difference unsettled. */
  settleLater(): void {
    if (this.trouble?.kind === 'conflict') this.trouble = { kind: 'changed' };
  }

  /** Forgets what is unsaved and takes what is on disk; one undo brings it back. */
  async discard(): Promise<void> {
    await this.compare();
    this.takeTheirs();
  }

  async #write(version: string | null): Promise<boolean> {
    const { doc } = this.#state;
    const based = version !== null && { version };
    this.saving = true;
    this.problem = null;
    try {
      const request = { channel: this.#channel, path: this.path, content: this.text, ...based };
      const written = await this.#backend.call('action.write', request);
      this.#version = written.version;
      this.size = written.size;
      this.#saved = doc;
      this.unsaved = !this.#state.doc.eq(doc);
      this.trouble = null;
      return true;
    } catch (error) {
      const failed = CallError.from(error);
      if (failed.code === 'conflict' || failed.code === 'not_found') await this.compare();
      else this.problem = failed;
      return false;
    } finally {
      this.saving = false;
    }
  }

  async #compare(): Promise<void> {
    const known = this.#version;
    try {
      const { path } = this;
      const { version } = await this.#backend.call('action.stat', { channel: this.#channel, path });
      if (this.#savedSince(known)) return;
      if (version === known) {
        this.trouble = null;
        if (this.view.kind === 'failed') await this.load();
      } else {
        const read = this.unsaved ? null : await this.#read();
        if (this.#savedSince(known)) return;
        // What was typed while it was read is kept.
        if (read === null || this.unsaved) this.trouble = { kind: 'changed' };
        else this.#show(read);
      }
    } catch (error) {
      // Only that it is gone is news; that the sandbox sleeps is told elsewhere.
      if (CallError.from(error).code === 'not_found' && this.view.kind !== 'failed')
        this.trouble = { kind: 'gone' };
    }
  }

  /** Whether a save went on meanwhile: it knows better than what was asked before it. */
  #savedSince(version: string | null): boolean {
    return this.saving || this.#version !== version;
  }

  #read(): Promise<FileRead> {
    return this.#backend.call('action.read', { channel: this.#channel, path: this.path, limit: LINES });
  }

  #show({ content, version, size }: FileRead): void {
    this.size = size;
    this.trouble = null;
    if (content.kind === 'text') {
      const again = this.view.kind === 'text';
      if (again) this.#take(content.text, version, false);
      else this.#start(content.text, version);
      const lines = content.text.split('\n').length - 1;
      this.view = { kind: 'text', part: content.more ? { lines, of: content.total_lines } : null };
      return;
    }
    this.#version = version;
    this.unsaved = false;
    this.view =
      content.kind === 'image'
        ? { kind: 'image', mime: content.mime, base64: content.base64 }
        : { kind: 'binary', looksLike: content.looks_like };
  }

  #start(text: string, version: string): void {
    this.#version = version;
    this.#state = stateOf(text, this.#extensions);
    this.#saved = this.#state.doc;
    this.unsaved = false;
    this.#screen?.setState(this.#state);
  }

  /** Puts another text into the editor, in place. */
  #take(text: string, version: string, undoable: boolean): void {
    const doc = linesOf(text);
    const changes = difference(this.#state.doc, doc);
    this.#version = version;
    this.#saved = doc;
    this.unsaved = false;
    if (!changes) return;
    const transaction = this.#state.update({
      changes,
      effects: endLinesAs(text),
      annotations: [
        Transaction.addToHistory.of(undoable),
        Transaction.remote.of(true),
        isolateHistory.of('full'),
      ],
    });
    this.followed = Date.now();
    if (this.#screen) this.#screen.dispatch(transaction);
    else this.update(transaction.state);
  }
}

const NO_TEXT: RpcError = {
  code: 'failed',
  message: 'The file on disk is no longer text that can be compared. What you have here is kept.',
};

/** The text of a file that came as a whole. */
function whole(content: FileContent): string | null {
  return content.kind === 'text' && !content.more ? content.text : null;
}
