/**
 * The file tree as rows. Folders are fetched lazily, a page at a time, and only where somebody looks; a folder of
 * any size costs the same, because rows are counted in runs and made when they are asked for.
 */
import { SvelteSet } from 'svelte/reactivity';
import { CallError, type DirEntry, type Listing } from '$lib/api';
import { Folder, PAGE, folded, isFolder, pathOf } from './folder';
import { foldersBetween, isWithin, nameOf, parentOf } from './paths';

/** Fetches a page of a folder. */
type List = (path: string, offset: number, limit: number) => Promise<Listing>;

interface Place {
  folder: Folder;
  depth: number;
}

/** One line of the tree. `position` counts from 0 among the rows of its folder, of which there are `of`. */
export type Row =
  | (Place & {
      kind: 'entry';
      entry: DirEntry;
      path: string;
      position: number;
      of: number;
      open: boolean | null;
    })
  | (Place & { kind: 'pending'; position: number; of: number })
  | (Place & { kind: 'failed'; error: CallError })
  | (Place & { kind: 'draft' });

/** Rows of one folder that follow each other, or one row that is no entry. */
interface Run {
  folder: Folder;
  kind: 'entries' | 'failed' | 'draft';
  /** The first row's number in the whole tree. */
  start: number;
  /** The first entry's position in its folder. */
  from: number;
  count: number;
}

const REQUESTS_AT_ONCE = 2;
/** Changes come in bursts; a folder is fetched again at most so often (ms). */
const SETTLE = 150;

export class FileTree {
  /** How many rows there are. */
  length = $state(0);
  /** The path of the row that the keyboard is on. */
  active = $state<string | null>(null);
  /** The folder in which something new is being named. */
  draft = $state<string | null>(null);
  /** Folders being fetched. */
  readonly busy = new SvelteSet<string>();

  readonly root: Folder;
  readonly #list: List;
  readonly #folders = new Map<string, Folder>();
  readonly #spoilt = new Set<string>();
  #paused = false;
  #version = $state(0);
  #query = $state('');
  #runs: Run[] = [];
  /** Open folders of which no row is known yet. */
  #hollow: Folder[] = [];
  #seen = { start: 0, end: 50 };
  #wanted: { folder: Folder; page: number }[] = [];
  readonly #underway = new Set<string>();
  #settling = false;

  constructor(root: string, list: List) {
    this.#list = list;
    this.root = new Folder(root, 0);
    this.root.expanded = true;
    this.#folders.set(root, this.root);
    this.#rebuild();
  }

  /** What names must contain to be shown; only what was fetched is looked through. */
  get query(): string {
    return this.#query;
  }

  set query(query: string) {
    this.#query = query;
    this.#changed();
  }

  /** While it is paused, nothing is listed; what is wanted meanwhile is listed afterwards. */
  get paused(): boolean {
    return this.#paused;
  }

  set paused(paused: boolean) {
    this.#paused = paused;
    if (!paused) this.#ask();
  }

  /** Whether the root's first page came. */
  get loaded(): boolean {
    void this.#version;
    return this.root.total !== null;
  }

  /** Whether there are entries that the filter has not seen. */
  get partly(): boolean {
    void this.#version;
    return [...this.#folders.values()].some(
      ({ total, entries }) => entries.includes(undefined) || total === null,
    );
  }

  /** Why the root could not be listed. */
  get error(): CallError | null {
    void this.#version;
    return this.root.total === null ? this.root.error : null;
  }

  get expanded(): string[] {
    void this.#version;
    return [...this.#folders.values()]
      .filter((folder) => folder.expanded && folder !== this.root)
      .map(({ path }) => path);
  }

  row(index: number): Row | undefined {
    void this.#version;
    const run = this.#runAt(index);
    if (!run) return undefined;
    const { folder } = run;
    const depth = folder.depth + 1;
    if (run.kind === 'draft') return { kind: 'draft', folder, depth };
    if (run.kind === 'failed')
      return { kind: 'failed', folder, depth, error: folder.error ?? CallError.from('') };
    const position = run.from + index - run.start;
    const entry = folder.at(position);
    if (!entry) return { kind: 'pending', folder, depth, position, of: folder.length };
    const path = pathOf(folder, entry);
    const open = isFolder(entry) ? this.#isOpen(this.#folders.get(path)) : null;
    return { kind: 'entry', folder, depth, entry, path, position, of: folder.length, open };
  }

  /** The row of a path; -1 where it has none. */
  indexOf(path: string | null): number {
    void this.#version;
    const folder = path === null ? undefined : this.#folders.get(parentOf(path));
    if (path === null || !folder) return -1;
    const position = folder.positionOf(nameOf(path));
    if (position < 0) return -1;
    const run = this.#runs.find(
      (run) =>
        run.folder === folder &&
        run.kind === 'entries' &&
        run.from <= position &&
        position < run.from + run.count,
    );
    return run ? run.start + position - run.from : -1;
  }

  /** The row in which something new is named; -1 without one. */
  get draftIndex(): number {
    void this.#version;
    return this.#runs.find(({ kind }) => kind === 'draft')?.start ?? -1;
  }

  entry(path: string): DirEntry | undefined {
    void this.#version;
    return this.#folders.get(parentOf(path))?.entry(nameOf(path));
  }

  /** The first row after `index`, around the end, whose name begins with `text`; -1 where none does. */
  typed(text: string, index: number): number {
    const wanted = text.toLowerCase();
    for (let step = 1; step <= this.length; step += 1) {
      const at = (index + step) % this.length;
      const run = this.#runAt(at);
      const entry = run?.kind === 'entries' ? run.folder.at(run.from + at - run.start) : undefined;
      if (entry && folded(entry.name).startsWith(wanted)) return at;
    }
    return -1;
  }

  /** Tells which rows are on screen, so that they are fetched. */
  see(start: number, end: number): void {
    this.#seen = { start, end };
    this.#ask();
  }

  expand(path: string): void {
    this.#open(path).expanded = true;
    this.#changed();
  }

  collapse(path: string): void {
    const folder = this.#folders.get(path);
    if (!folder || folder === this.root) return;
    folder.expanded = false;
    if (this.active && this.active !== path && isWithin(this.active, path)) this.active = path;
    this.#changed();
  }

  collapseAll(): void {
    for (const path of this.expanded) this.collapse(path);
  }

  /** Opens the folders above a path and puts the keyboard on it. */
  reveal(path: string): void {
    for (const folder of foldersBetween(this.root.path, path)) this.#open(folder).expanded = true;
    this.active = path;
    this.#changed();
  }

  /** Shows a row in which something new is named. */
  startDraft(folder: string): void {
    if (folder !== this.root.path) this.expand(folder);
    this.draft = folder;
    this.#changed();
  }

  endDraft(): void {
    this.draft = null;
    this.#changed();
  }

  /** Something below these paths changed; no paths means it is not known where. */
  changed(paths: string[]): void {
    for (const path of paths.length === 0 ? [''] : paths) this.#spoilt.add(path);
    if (this.#settling) return;
    this.#settling = true;
    setTimeout(() => {
      this.#settling = false;
      this.#spoil();
    }, SETTLE);
  }

  /** Fetches again what is on screen, after a failure too. */
  refresh(): void {
    for (const folder of this.#folders.values()) {
      folder.spoil();
      folder.error = null;
    }
    this.#changed();
  }

  /** Waits no longer for the first page; where it comes all the same, it is taken. */
  giveUp(): void {
    this.root.error = new CallError({ code: 'cancelled', message: 'It was given up.' });
    this.#changed();
  }

  retry(folder: Folder): void {
    folder.error = null;
    folder.spoil();
    this.#changed();
  }

  #spoil(): void {
    const paths = [...this.#spoilt];
    this.#spoilt.clear();
    for (const path of paths) {
      for (const folder of this.#folders.values())
        if (path === '' || isWithin(folder.path, path)) folder.spoil();
      // A path that was made with its folders shows first in the nearest folder that is known.
      let above = parentOf(path);
      while (above !== '/' && !this.#folders.has(above)) above = parentOf(above);
      this.#folders.get(above)?.spoil();
    }
    this.#ask();
  }

  #open(path: string): Folder {
    let folder = this.#folders.get(path);
    if (!folder) {
      const above = foldersBetween(this.root.path, path);
      folder = new Folder(path, above.length + 1);
      this.#folders.set(path, folder);
    }
    if (folder.error) folder.spoil();
    folder.error = null;
    return folder;
  }

  #isOpen(folder: Folder | undefined): boolean {
    if (!folder) return false;
    return this.#query === '' ? folder.expanded : folder.length > 0;
  }

  #changed(): void {
    this.#filter();
    this.#rebuild();
    this.#ask();
  }

  #filter(): void {
    const wanted = this.#query.trim().toLowerCase();
    const folders = [...this.#folders.values()];
    if (wanted === '') {
      for (const folder of folders) folder.filter(null);
      return;
    }
    // The deepest first: a folder passes when something in it does.
    for (const folder of folders.sort((a, b) => b.depth - a.depth)) {
      folder.filter(
        (entry) =>
          folded(entry.name).includes(wanted) || (this.#folders.get(pathOf(folder, entry))?.length ?? 0) > 0,
      );
    }
  }

  #rebuild(): void {
    const inside = new Map<string, Folder[]>();
    for (const folder of this.#folders.values()) {
      const above = parentOf(folder.path);
      inside.set(above, [...(inside.get(above) ?? []), folder]);
    }
    this.#runs = [];
    this.#hollow = [];
    this.length = this.#lay(this.root, 0, inside);
    this.#version += 1;
  }

  /** Lays out a folder's rows from `start` on; returns where they end. */
  #lay(folder: Folder, start: number, inside: Map<string, Folder[]>): number {
    let next = start;
    const lay = (kind: Run['kind'], from: number, count: number) => {
      if (count > 0) this.#runs.push({ folder, kind, start: next, from, count });
      next += count;
    };
    if (this.draft === folder.path) lay('draft', 0, 1);
    if (folder.error && (folder !== this.root || folder.total !== null)) lay('failed', 0, 1);
    if (folder.length === 0) this.#hollow.push(folder);
    const opened = (inside.get(folder.path) ?? [])
      .filter((child) => child !== folder && (this.#isOpen(child) || this.draft === child.path))
      .map((child) => ({ child, position: folder.positionOf(nameOf(child.path)) }))
      .filter(({ position }) => position >= 0)
      .sort((a, b) => a.position - b.position);
    let from = 0;
    for (const { child, position } of opened) {
      lay('entries', from, position + 1 - from);
      from = position + 1;
      next = this.#lay(child, next, inside);
    }
    lay('entries', from, folder.length - from);
    return next;
  }

  #runAt(index: number): Run | undefined {
    let low = 0;
    let high = this.#runs.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const run = this.#runs[middle];
      if (!run) return undefined;
      if (index < run.start) high = middle - 1;
      else if (index >= run.start + run.count) low = middle + 1;
      else return run;
    }
    return undefined;
  }

  /** Lists what is on screen and not here; what was wanted before and is out of sight is forgotten. */
  #ask(): void {
    const wanted = new Map<string, { folder: Folder; page: number }>();
    const want = (folder: Folder, page: number) => {
      if (folder.error || !folder.wants(page)) return;
      wanted.set(key(folder, page), { folder, page });
    };
    for (const folder of this.#hollow) want(folder, 0);
    const { start, end } = this.#seen;
    for (const run of this.#runs) {
      if (run.kind !== 'entries' || run.start > end || run.start + run.count <= start) continue;
      const first = run.from + Math.max(0, start - run.start);
      const last = run.from + Math.min(run.count - 1, end - run.start);
      for (let position = first; position <= last; position += 1) {
        want(run.folder, run.folder.pageOf(run.folder.placeAt(position)));
      }
    }
    this.#wanted = [...wanted.values()];
    this.#pump();
  }

  #pump(): void {
    if (this.#paused) return;
    for (const { folder, page } of this.#wanted) {
      if (this.#underway.size >= REQUESTS_AT_ONCE) break;
      if (!this.#underway.has(key(folder, page))) void this.#fetch(folder, page);
    }
  }

  async #fetch(folder: Folder, page: number): Promise<void> {
    const { age } = folder;
    this.#underway.add(key(folder, page));
    this.busy.add(folder.path);
    try {
      folder.put(page, await this.#list(folder.path, page * PAGE, PAGE), age);
    } catch (error) {
      folder.error = CallError.from(error);
    }
    this.#underway.delete(key(folder, page));
    this.busy.delete(folder.path);
    this.#changed();
  }
}

function key(folder: Folder, page: number): string {
  return `${page}${folder.path}`;
}
