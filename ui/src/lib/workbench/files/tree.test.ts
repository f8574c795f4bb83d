import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CallError, type DirEntry, type Listing } from '$lib/api';
import { FileTree } from './tree.svelte';

const ROOT = '/home/dev/work';

/** Folders by path; a name that ends in `/` is a folder. */
type Disk = Record<string, string[] | undefined>;

function entry(name: string): DirEntry {
  const kind = name.endsWith('/') ? 'folder' : 'file';
  return {
    name: name.replace('/', ''),
    kind,
    size: 0,
    modified: 0,
    mode: 0o644,
    target: null,
    ignored: false,
  };
}

function treeOf(disk: Disk) {
  const list = vi.fn((path: string, offset: number, limit: number): Promise<Listing> => {
    const names = disk[path];
    if (!names)
      return Promise.reject(new CallError({ code: 'not_found', message: `No ${path}.`, causes: [] }));
    const entries = names.slice(offset, offset + limit).map(entry);
    return Promise.resolve({ path, entries, total: names.length });
  });
  const tree = new FileTree(ROOT, list);
  tree.see(0, 40);
  return { tree, list };
}

const settled = () => vi.advanceTimersByTimeAsync(200);

function lines(tree: FileTree): string[] {
  return Array.from({ length: tree.length }, (_, index) => {
    const row = tree.row(index);
    const indent = '  '.repeat((row?.depth ?? 1) - 1);
    return indent + (row?.kind === 'entry' ? row.entry.name : `<${row?.kind ?? 'nothing'}>`);
  });
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the tree', () => {
  const disk = (): Disk => ({
    [ROOT]: ['public/', 'src/', 'README.md'],
    [`${ROOT}/src`]: ['deep/', 'main.ts'],
    [`${ROOT}/src/deep`]: ['leaf'],
    [`${ROOT}/public`]: [],
  });

  it('fetches a folder when it is opened, not before', async () => {
    const { tree, list } = treeOf(disk());
    await settled();
    expect(lines(tree)).toEqual(['public', 'src', 'README.md']);
    expect(list).toHaveBeenCalledTimes(1);
    tree.expand(`${ROOT}/src`);
    await settled();
    expect(lines(tree)).toEqual(['public', 'src', '  deep', '  main.ts', 'README.md']);
    expect(tree.row(3)).toMatchObject({ path: `${ROOT}/src/main.ts`, position: 1, of: 2, open: null });
    expect(tree.row(1)).toMatchObject({ open: true });
    expect(list).toHaveBeenCalledTimes(2);
  });

  it('keeps what was open below a folder that is closed', async () => {
    const { tree } = treeOf(disk());
    tree.reveal(`${ROOT}/src/deep/leaf`);
    await settled();
    expect(tree.indexOf(`${ROOT}/src/deep/leaf`)).toBe(3);
    tree.collapse(`${ROOT}/src`);
    expect(lines(tree)).toEqual(['public', 'src', 'README.md']);
    expect(tree.active).toBe(`${ROOT}/src`);
    tree.expand(`${ROOT}/src`);
    expect(lines(tree)).toEqual(['public', 'src', '  deep', '    leaf', '  main.ts', 'README.md']);
  });

  it('stays quiet about an empty folder', async () => {
    const { tree, list } = treeOf(disk());
    tree.expand(`${ROOT}/public`);
    await settled();
    expect(lines(tree)).toEqual(['public', 'src', 'README.md']);
    await settled();
    expect(list).toHaveBeenCalledTimes(2);
  });

  it('says where a folder could not be listed, and tries again when asked', async () => {
    const broken = disk();
    broken[`${ROOT}/src`] = undefined;
    const { tree, list } = treeOf(broken);
    tree.expand(`${ROOT}/src`);
    await settled();
    expect(lines(tree)).toEqual(['public', 'src', '  <failed>', 'README.md']);
    await settled();
    expect(list).toHaveBeenCalledTimes(2);
    broken[`${ROOT}/src`] = ['main.ts'];
    const row = tree.row(2);
    if (row?.kind === 'failed') tree.retry(row.folder);
    await settled();
    expect(lines(tree)).toEqual(['public', 'src', '  main.ts', 'README.md']);
  });

  it('finds rows by typing', async () => {
    const { tree } = treeOf(disk());
    await settled();
    expect(tree.typed('r', 0)).toBe(2);
    expect(tree.typed('P', 0)).toBe(0);
    expect(tree.typed('zzz', 0)).toBe(-1);
  });

  it('shows what passes the filter, with the folders above it', async () => {
    const { tree } = treeOf(disk());
    tree.reveal(`${ROOT}/src/deep/leaf`);
    await settled();
    tree.collapse(`${ROOT}/src`);
    tree.query = 'LEAF';
    expect(lines(tree)).toEqual(['src', '  deep', '    leaf']);
    expect(tree.row(0)).toMatchObject({ position: 0, of: 1, open: true });
    tree.query = 'src';
    expect(lines(tree)).toEqual(['src']);
    tree.query = '';
    expect(lines(tree)).toEqual(['public', 'src', 'README.md']);
  });

  it('has a row for a name that is being given', async () => {
    const { tree } = treeOf(disk());
    await settled();
    tree.startDraft(`${ROOT}/src`);
    await settled();
    expect(lines(tree)).toEqual(['public', 'src', '  <draft>', '  deep', '  main.ts', 'README.md']);
    tree.endDraft();
    tree.startDraft(ROOT);
    expect(lines(tree)[0]).toBe('<draft>');
  });
});

describe('changes', () => {
  it('are fetched where somebody looks, and kept on screen until then', async () => {
    const disk: Disk = { [ROOT]: ['src/', 'a'], [`${ROOT}/src`]: ['x'] };
    const { tree, list } = treeOf(disk);
    tree.expand(`${ROOT}/src`);
    await settled();
    list.mockClear();
    disk[`${ROOT}/src`] = ['x', 'y'];
    tree.changed([`${ROOT}/src/y`]);
    tree.changed([`${ROOT}/src/y`]);
    expect(lines(tree)).toEqual(['src', '  x', 'a']);
    await settled();
    expect(lines(tree)).toEqual(['src', '  x', '  y', 'a']);
    expect(list.mock.calls.map(([path]) => path)).toEqual([`${ROOT}/src`]);
  });

  it('show a file that was made together with its folders', async () => {
    const disk: Disk = { [ROOT]: ['a'] };
    const { tree } = treeOf(disk);
    await settled();
    disk[ROOT] = ['new/', 'a'];
    tree.changed([`${ROOT}/new/deep/file`]);
    await settled();
    expect(lines(tree)).toEqual(['new', 'a']);
  });

  it('may be anywhere', async () => {
    const disk: Disk = { [ROOT]: ['a'] };
    const { tree } = treeOf(disk);
    await settled();
    disk[ROOT] = ['b'];
    tree.changed([]);
    await settled();
    expect(lines(tree)).toEqual(['b']);
    expect(tree.indexOf(`${ROOT}/a`)).toBe(-1);
    expect(tree.indexOf(`${ROOT}/b`)).toBe(0);
  });

  it('that come while a folder is being fetched make it be fetched again', async () => {
    const disk: Disk = { [ROOT]: ['old'] };
    const { tree, list } = treeOf(disk);
    await settled();
    let answer: (listing: Listing) => void = () => undefined;
    list.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
    tree.changed([]);
    await settled();
    tree.changed([]);
    await settled();
    disk[ROOT] = ['new'];
    answer({ path: ROOT, entries: [entry('old')], total: 1 });
    await settled();
    expect(lines(tree)).toEqual(['new']);
  });
});

it('need not be waited for, and is shown when it comes all the same', async () => {
  let come: (listing: Listing) => void = () => undefined;
  const list = vi.fn(() => new Promise<Listing>((resolve) => (come = resolve)));
  const tree = new FileTree(ROOT, list);
  tree.see(0, 40);
  tree.giveUp();
  expect(tree.error?.code).toBe('cancelled');
  tree.refresh();
  expect([tree.error, tree.loaded]).toEqual([null, false]);
  tree.giveUp();
  come({ path: ROOT, entries: [], total: 0 });
  await settled();
  expect([tree.error, tree.loaded]).toEqual([null, true]);
});

describe('a folder of 100,000 entries', () => {
  const many = Array.from({ length: 100_000 }, (_, n) => `f${String(n).padStart(6, '0')}`);

  it('costs the pages that are looked at', async () => {
    const { tree, list } = treeOf({ [ROOT]: many });
    await settled();
    expect(tree.length).toBe(100_000);
    expect(list).toHaveBeenCalledTimes(1);
    expect(tree.row(50_000)).toMatchObject({ kind: 'pending', position: 50_000, of: 100_000 });
    tree.see(50_990, 51_030);
    await settled();
    expect(list.mock.calls.slice(1).map(([, offset]) => offset)).toEqual([50_000, 51_000]);
    expect(tree.row(51_001)).toMatchObject({ kind: 'entry', path: `${ROOT}/f051001` });
    expect(tree.indexOf(`${ROOT}/f051001`)).toBe(51_001);
  });

  it('asks for what is on screen now, not for all that flew past', async () => {
    const { tree, list } = treeOf({ [ROOT]: many });
    await settled();
    list.mockClear();
    for (let start = 0; start < 90_000; start += 1_000) tree.see(start, start + 40);
    await settled();
    expect(list.mock.calls.length).toBeLessThanOrEqual(4);
    expect(list.mock.calls.at(-1)?.[1]).toBe(89_000);
  });

  it('survives that it shrinks', async () => {
    const disk: Disk = { [ROOT]: many };
    const { tree } = treeOf(disk);
    tree.see(99_960, 99_999);
    await settled();
    disk[ROOT] = many.slice(0, 10);
    tree.changed([]);
    await settled();
    tree.see(0, 10);
    await settled();
    expect(tree.length).toBe(10);
    expect(lines(tree)).toEqual(many.slice(0, 10));
  });
});
