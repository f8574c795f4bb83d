/** Moving through the tree with the keyboard, as the ARIA pattern for trees says. */
import { isFolder } from './folder';
import type { Files } from './files.svelte';

interface Acts {
  open(path: string): void;
  remove(path: string): void;
  /** How many rows a page is. */
  page(): number;
}

/** Letters typed within this time belong together (ms). */
const TYPING = 700;

export class TreeKeys {
  /** Counts the moves, so that a view follows each. */
  moves = $state(0);

  readonly #files: Files;
  readonly #acts: Acts;
  /** Where the keyboard is while its row is not known by name: not loaded yet, or gone. */
  #place = $state(-1);
  #typed = '';
  #typedAt = 0;

  constructor(files: Files, acts: Acts) {
    this.#files = files;
    this.#acts = acts;
  }

  /** The row that the keyboard is on; -1 for none. */
  get index(): number {
    const { tree } = this.#files;
    const known = tree.indexOf(tree.active);
    return known >= 0 ? known : Math.min(this.#place, tree.length - 1);
  }

  /** The keyboard has come to the tree. */
  focus(): void {
    if (this.index < 0) this.moveTo(0);
  }

  moveTo(index: number): void {
    const { tree } = this.#files;
    const at = Math.max(0, Math.min(index, tree.length - 1));
    const row = tree.row(at);
    this.#place = row ? at : -1;
    tree.active = row?.kind === 'entry' ? row.path : null;
    this.moves += 1;
  }

  /** A click on a row, or Enter. */
  press(index: number): void {
    const { tree } = this.#files;
    const row = tree.row(index);
    this.moveTo(index);
    if (row?.kind === 'failed') tree.retry(row.folder);
    if (row?.kind !== 'entry') return;
    if (!isFolder(row.entry)) this.#acts.open(row.path);
    else if (tree.query !== '') this.#leaveFilter(row.path);
    else if (row.open) tree.collapse(row.path);
    else tree.expand(row.path);
    this.#files.remember();
  }

  /** Acts on a key; whether it meant something here. */
  handle(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const { index } = this;
    // What is typed after a move begins anew.
    if (event.key.length > 1) this.#typed = '';
    const last = this.#files.tree.length - 1;
    switch (event.key) {
      case 'ArrowDown':
        return this.#go(index + 1);
      case 'ArrowUp':
        return this.#go(index - 1);
      case 'PageDown':
        return this.#go(index + this.#acts.page());
      case 'PageUp':
        return this.#go(index - this.#acts.page());
      case 'Home':
        return this.#go(0);
      case 'End':
        return this.#go(last);
      case 'ArrowRight':
        return this.#inwards(index);
      case 'ArrowLeft':
        return this.#outwards(index);
      case 'Enter':
        this.press(index);
        return true;
      case 'F2':
        this.#files.renaming = this.#files.tree.active;
        return true;
      case 'Delete':
        if (this.#files.tree.active) this.#acts.remove(this.#files.tree.active);
        return true;
      case 'Escape':
        if (this.#files.tree.query === '') return false;
        this.#files.tree.query = '';
        return true;
      default:
        return event.key.length === 1 && this.#type(event.key, event.timeStamp, index);
    }
  }

  #go(index: number): true {
    this.moveTo(index);
    return true;
  }

  #inwards(index: number): true {
    const { tree } = this.#files;
    const row = tree.row(index);
    if (row?.kind !== 'entry' || row.open === null) return true;
    if (row.open) {
      if ((tree.row(index + 1)?.depth ?? 0) > row.depth) this.moveTo(index + 1);
    } else this.press(index);
    return true;
  }

  #outwards(index: number): true {
    const { tree } = this.#files;
    const row = tree.row(index);
    if (row?.kind === 'entry' && row.open && tree.query === '') {
      tree.collapse(row.path);
      this.#files.remember();
    } else if (row && row.folder !== tree.root) this.moveTo(tree.indexOf(row.folder.path));
    return true;
  }

  #leaveFilter(path: string): void {
    const { tree } = this.#files;
    tree.query = '';
    tree.expand(path);
    tree.reveal(path);
  }

  #type(char: string, at: number, index: number): boolean {
    if (char === ' ' && this.#typed === '') {
      this.press(index);
      return true;
    }
    const goesOn = at - this.#typedAt < TYPING;
    // The same letter again means the next one that begins with it.
    const again = goesOn && this.#typed === char;
    this.#typed = goesOn && !again ? this.#typed + char : char;
    this.#typedAt = at;
    const found = this.#files.tree.typed(this.#typed, this.#typed.length > 1 ? index - 1 : index);
    if (found >= 0) this.moveTo(found);
    return true;
  }
}
