import { history, undo } from '@codemirror/commands';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CallError, type FileContent } from '$lib/api';
import { OpenFile } from './open-file.svelte';

/** A disk with one file, speaking the commands that an open file needs. */
class Disk {
  content: FileContent | null;
  version = 1;
  asleep = false;

  constructor(text: string) {
    this.content = textContent(text);
  }

  /** Somebody else writes. */
  put(text: string) {
    this.content = textContent(text);
    this.version += 1;
  }

  get text() {
    return this.content?.kind === 'text' ? this.content.text : null;
  }

  readonly call = vi.fn((name: string, request: { version?: string; content?: string }) => {
    if (this.asleep) return fail('not_running');
    const version = String(this.version);
    if (name === 'action.write') {
      if (request.version !== undefined && (request.version !== version || !this.content))
        return fail('conflict');
      this.put(request.content ?? '');
      return Promise.resolve({ path: '/w/a', size: 1, version: String(this.version), created: false });
    }
    if (!this.content) return fail('not_found');
    return Promise.resolve({ path: '/w/a', size: 1, version, content: this.content, entry: {} });
  });
}

function textContent(text: string): FileContent {
  return { kind: 'text', text, first_line: 1, total_lines: 1, more: false };
}

function fail(code: CallError['code']) {
  return Promise.reject(new CallError({ code, message: code, causes: [] }));
}

async function opened(disk: Disk): Promise<OpenFile> {
  const file = new OpenFile(disk as never, 'c', '/w/a', history());
  await file.load();
  return file;
}

function type(file: OpenFile, text: string) {
  file.update(file.state.update({ changes: { from: 0, insert: text } }).state);
}

let disk: Disk;
let file: OpenFile;
beforeEach(async () => {
  disk = new Disk('one\ntwo\n');
  file = await opened(disk);
});

describe('saving', () => {
  it('writes what was typed, based on what was read', async () => {
    type(file, 'zero\n');
    expect(file.unsaved).toBe(true);
    expect(await file.save()).toBe(true);
    expect(disk.text).toBe('zero\none\ntwo\n');
    expect(file.unsaved).toBe(false);
    type(file, 'x');
    expect(await file.save()).toBe(true);
  });

  it('writes nothing when nothing changed', async () => {
    disk.call.mockClear();
    expect(await file.save()).toBe(true);
    expect(disk.call).not.toHaveBeenCalled();
  });

  it('keeps every byte of the line ends', async () => {
    for (const text of ['a\r\nb\r\n', 'a\r\nb\n', 'a\rb', 'a', '', '\n', '\uFEFFa\r\n', 'no end\r\nhere']) {
      const other = new Disk(text);
      const open = await opened(other);
      expect(open.unsaved).toBe(false);
      type(open, '+');
      await open.save();
      expect(other.text).toBe(`+${text}`);
    }
  });

  it('tells what was typed while it saved from what was saved', async () => {
    type(file, 'a');
    const saving = file.save();
    type(file, 'b');
    await saving;
    expect(disk.text).toBe('aone\ntwo\n');
    expect(file.unsaved).toBe(true);
  });

  it('keeps the text and says why where it fails', async () => {
    type(file, 'a');
    disk.asleep = true;
    expect(await file.save()).toBe(false);
    expect(file.problem?.code).toBe('not_running');
    expect(file.unsaved).toBe(true);
    disk.asleep = false;
    expect(await file.save()).toBe(true);
    expect(file.problem).toBeNull();
  });
});

describe('a file that somebody else changed', () => {
  it('is taken over where nothing is unsaved', async () => {
    disk.put('one\nTWO\n');
    await file.check();
    expect(file.text).toBe('one\nTWO\n');
    expect(file.unsaved).toBe(false);
    expect(file.followed).not.toBeNull();
    type(file, 'x');
    expect(await file.save()).toBe(true);
  });

  it('is left alone, and told, where something is unsaved', async () => {
    type(file, 'mine ');
    disk.put('theirs\n');
    await file.check();
    expect(file.trouble).toEqual({ kind: 'changed' });
    expect(file.text).toBe('mine one\ntwo\n');
  });

  it.each([1, 2, 3, 4])('keeps what was typed after %i turns of a check', async (turns) => {
    disk.put('theirs\n');
    const checking = file.check();
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    const shown = file.text;
    type(file, 'mine ');
    await checking;
    expect(file.text).toBe(`mine ${shown}`);
    expect(file.unsaved).toBe(true);
  });

  it('says nothing of a save that went on while it was looked at', async () => {
    type(file, 'x');
    const checking = file.check();
    await Promise.all([file.save(), checking]);
    expect(file.trouble).toBeNull();
    expect(file.text).toBe('xone\ntwo\n');
  });

  it('is never overwritten by a save', async () => {
    type(file, 'mine ');
    disk.put('theirs\n');
    expect(await file.save()).toBe(false);
    expect(disk.text).toBe('theirs\n');
    expect(file.trouble).toMatchObject({ kind: 'conflict', theirs: 'theirs\n' });
    expect(file.text).toBe('mine one\ntwo\n');
  });

  it('yields to mine when the person says so', async () => {
    type(file, 'mine ');
    disk.put('theirs\n');
    await file.save();
    expect(await file.keepMine()).toBe(true);
    expect(disk.text).toBe('mine one\ntwo\n');
    expect(file.trouble).toBeNull();
    expect(file.unsaved).toBe(false);
  });

  it('asks again when it changed once more meanwhile', async () => {
    type(file, 'mine ');
    disk.put('theirs\n');
    await file.save();
    disk.put('theirs, later\n');
    expect(await file.keepMine()).toBe(false);
    expect(file.trouble).toMatchObject({ kind: 'conflict', theirs: 'theirs, later\n' });
  });

  it('is taken when the person says so, and one undo brings mine back', async () => {
    type(file, 'mine ');
    disk.put('theirs\n');
    await file.save();
    file.takeTheirs();
    expect(file.text).toBe('theirs\n');
    expect(file.unsaved).toBe(false);
    undo({ state: file.state, dispatch: (transaction) => file.update(transaction.state) });
    expect(file.text).toBe('mine one\ntwo\n');
    expect(file.unsaved).toBe(true);
    expect(await file.save()).toBe(true);
  });

  it('may have got other line ends', async () => {
    for (const [before, after] of [
      ['a\nb\n', 'a\r\nB\r\n'],
      ['a\r\nb\r\n', 'a\nB\n'],
    ] as const) {
      const other = new Disk(before);
      const open = await opened(other);
      other.put(after);
      await open.check();
      expect(open.text).toBe(after);
      expect(open.unsaved).toBe(false);
    }
  });

  it('may be gone: what is here is kept and can be written again', async () => {
    type(file, 'mine ');
    disk.content = null;
    await file.check();
    expect(file.trouble).toEqual({ kind: 'gone' });
    expect(await file.keepMine()).toBe(true);
    expect(disk.text).toBe('mine one\ntwo\n');
  });

  it('says nothing new when it is this editor that wrote', async () => {
    type(file, 'x');
    await file.save();
    await file.check();
    expect(file.trouble).toBeNull();
    expect(file.followed).toBeNull();
  });
});

describe('what is no editable text', () => {
  it('is shown as what it is', async () => {
    disk.content = { kind: 'binary', looks_like: 'ELF program' };
    const binary = await opened(disk);
    expect(binary.view).toEqual({ kind: 'binary', looksLike: 'ELF program' });
    expect(await binary.save()).toBe(false);
  });

  it('is the beginning of a long file, to read', async () => {
    disk.content = { kind: 'text', text: 'a\nb\n', first_line: 1, total_lines: 9, more: true };
    const long = await opened(disk);
    expect(long.view).toEqual({ kind: 'text', part: { lines: 2, of: 9 } });
    expect(long.editable).toBe(false);
    expect(await long.save()).toBe(false);
  });

  it('can be a file that is not there', async () => {
    disk.content = null;
    const missing = await opened(disk);
    expect(missing.view.kind).toBe('failed');
    disk.put('here now');
    await missing.check();
    expect(missing.text).toBe('here now');
  });
});
