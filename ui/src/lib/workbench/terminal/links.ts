/** Addresses in a terminal. What a program prints is hostile: only http and https are ever offered. */
import type { IBufferLine, ILink, ILinkProvider, Terminal } from '@xterm/xterm';

const ADDRESS = /https?:\/\/[^\s"'`<>{}|\\^]+/gi;

/** An address that may be opened, in its normal form; `null` for anything else. */
export function safeAddress(text: string): string | null {
  try {
    const url = new URL(text);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}

/** Addresses in a line of text, without the punctuation that ends a sentence. */
export function addressesIn(text: string): { address: string; start: number; end: number }[] {
  return [...text.matchAll(ADDRESS)].flatMap((match) => {
    const address = trimmed(match[0]);
    return safeAddress(address) ? [{ address, start: match.index, end: match.index + address.length }] : [];
  });
}

function trimmed(address: string): string {
  let end = address.length;
  for (;;) {
    const last = address[end - 1] ?? '';
    const open = { ')': '(', ']': '[' }[last];
    const part = address.slice(0, end);
    const closesNothing = open !== undefined && part.split(last).length > part.split(open).length;
    if (!'.,;:!?\'"'.includes(last) && !closesNothing) return part;
    end -= 1;
  }
}

/** Finds addresses in what a terminal shows, also where they run over the end of a line. */
export class AddressLinks implements ILinkProvider {
  readonly #terminal: Terminal;
  readonly #open: (event: MouseEvent, address: string) => void;
  readonly #hover: (address: string | null) => void;

  constructor(
    terminal: Terminal,
    open: (event: MouseEvent, address: string) => void,
    hover: (address: string | null) => void,
  ) {
    this.#terminal = terminal;
    this.#open = open;
    this.#hover = hover;
  }

  provideLinks(y: number, callback: (links: ILink[] | undefined) => void): void {
    const { lines, first } = this.#wholeLine(y - 1);
    const cells = lines.flatMap((line, row) => cellsOf(line, first + row));
    const text = cells.map(({ chars }) => chars).join('');
    const cellAt = cells.flatMap((cell) => Array<Cell>(cell.chars.length).fill(cell));
    const links = addressesIn(text).flatMap(({ address, start, end }): ILink[] => {
      const [from, to] = [cellAt[start], cellAt[end - 1]];
      if (!from || !to) return [];
      const range = { start: { x: from.x + 1, y: from.y + 1 }, end: { x: to.x + 1, y: to.y + 1 } };
      return [
        {
          range,
          text: address,
          activate: (event) => this.#open(event, address),
          hover: () => this.#hover(address),
          leave: () => this.#hover(null),
        },
      ];
    });
    callback(links.length > 0 ? links : undefined);
  }

  /** The rows of the line that is shown, in part, on row `y`. */
  #wholeLine(y: number): { lines: IBufferLine[]; first: number } {
    const buffer = this.#terminal.buffer.active;
    let first = y;
    while (first > 0 && y - first < 32 && buffer.getLine(first)?.isWrapped) first -= 1;
    const lines: IBufferLine[] = [];
    for (let row = first; lines.length < 64; row += 1) {
      const line = buffer.getLine(row);
      if (!line || (row > first && !line.isWrapped)) break;
      lines.push(line);
    }
    return { lines, first };
  }
}

interface Cell {
  chars: string;
  x: number;
  y: number;
}

function cellsOf(line: IBufferLine, y: number): Cell[] {
  const cells: Cell[] = [];
  for (let x = 0; x < line.length; x += 1) {
    const cell = line.getCell(x);
    if (cell && cell.getWidth() > 0) cells.push({ chars: cell.getChars() || ' ', x, y });
  }
  return cells;
}
