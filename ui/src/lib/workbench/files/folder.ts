/**
 * One folder as far as it is known: a sparse list of its entries, filled a page at a time. It fetches nothing;
 * it says which pages are missing or stale.
 */
import type { CallError, DirEntry, Listing } from '$lib/api';
import { shown } from '$lib/kit/shown';
import { join } from './paths';

export const PAGE = 1000;

export class Folder {
  /** Every entry's place, as the engine orders them; holes where a page is not here yet. */
  entries: (DirEntry | undefined)[] = [];
  /** How many entries it has; `null` until a page came. */
  total: number | null = null;
  expanded = false;
  /** Why it could not be listed. */
  error: CallError | null = null;
  /** The places that pass the filter; `null` without one. */
  passing: number[] | null = null;

  readonly #places = new Map<string, number>();
  /** Pages that are here; `false` where something may have changed since. */
  readonly #pages = new Map<number, boolean>();
  /** Counts what made pages stale, so that an answer asked for before it is not taken for fresh. */
  #age = 0;

  constructor(
    readonly path: string,
    readonly depth: number,
  ) {}

  get age(): number {
    return this.#age;
  }

  /** How many rows its own entries take. */
  get length(): number {
    return this.passing?.length ?? this.total ?? 0;
  }

  /** The entry in a row, counted among those that pass. */
  at(position: number): DirEntry | undefined {
    return this.entries[this.placeAt(position)];
  }

  placeAt(position: number): number {
    return this.passing ? (this.passing[position] ?? -1) : position;
  }

  /** The row of a name; -1 where it is not known or does not pass. */
  positionOf(name: string): number {
    const place = this.#places.get(name);
    if (place === undefined) return -1;
    return this.passing ? search(this.passing, place) : place;
  }

  entry(name: string): DirEntry | undefined {
    const place = this.#places.get(name);
    return place === undefined ? undefined : this.entries[place];
  }

  pageOf(place: number): number {
    return Math.floor(place / PAGE);
  }

  wants(page: number): boolean {
    return this.#pages.get(page) !== true;
  }

  /** Takes a page that was asked for at `age`. */
  put(page: number, listing: Listing, age: number): void {
    const fresh = age === this.#age;
    if (listing.total !== this.total) this.#resize(listing.total);
    const start = page * PAGE;
    for (let place = start; place < Math.min(start + PAGE, listing.total); place += 1) {
      const old = this.entries[place];
      if (old && this.#places.get(old.name) === place) this.#places.delete(old.name);
      const entry = listing.entries[place - start];
      this.entries[place] = entry;
      if (entry) this.#places.set(entry.name, place);
    }
    this.#pages.set(page, fresh);
    this.error = null;
  }

  /** Something in it may have changed: what is here stays on screen until it is fetched again. */
  spoil(): void {
    this.#age += 1;
    for (const page of this.#pages.keys()) this.#pages.set(page, false);
  }

  /** Keeps only the entries that pass; those not fetched yet do not. */
  filter(passes: ((entry: DirEntry) => boolean) | null): void {
    if (!passes) {
      this.passing = null;
      return;
    }
    this.passing = [];
    // `forEach` skips the holes.
    this.entries.forEach((entry, place) => {
      if (entry && passes(entry)) this.passing?.push(place);
    });
  }

  #resize(total: number): void {
    // Places have moved: every page but the one that brings the news is stale.
    if (this.total !== null) this.spoil();
    for (let place = total; place < this.entries.length; place += 1) {
      const gone = this.entries[place];
      if (gone && this.#places.get(gone.name) === place) this.#places.delete(gone.name);
    }
    this.entries.length = total;
    this.total = total;
  }
}

/** Whether an entry can be opened as a folder. */
export function isFolder(entry: DirEntry): boolean {
  return entry.kind === 'folder' || entry.kind === 'link_to_folder';
}

export function pathOf(folder: Folder, entry: DirEntry): string {
  return join(folder.path, entry.name);
}

/** What filtering and typing ahead compare. */
export function folded(name: string): string {
  return shown(name).toLowerCase();
}

function search(sorted: number[], wanted: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const value = sorted[middle] ?? 0;
    if (value === wanted) return middle;
    if (value < wanted) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
