/**
 * What programs print for a terminal, as runs of plain text with a look: colours and weight are kept, everything
 * else a terminal would obey (cursor moves, titles, links) is dropped. Not an emulator; that is the Terminal tab.
 */
import { shownLines } from '$lib/kit/shown';

export interface Run {
  text: string;
  color: string | null;
  bold: boolean;
}

const COLORS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
// CSI sequences (group 1: SGR parameters where it is one), OSC strings, and two-byte escapes.
// eslint-disable-next-line no-control-regex
const ESCAPE = /\x1b(?:\[([\d;:]*)m|\[[\d;:?<=>]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_()].?)/g;

export function ansiRuns(printed: string): Run[] {
  const runs: Run[] = [];
  let look = { color: null as string | null, bold: false };
  let from = 0;
  const text = settleReturns(printed);
  const add = (part: string) => {
    const plain = shownLines(dropControls(part));
    if (plain) runs.push({ text: plain, ...look });
  };
  for (const match of text.matchAll(ESCAPE)) {
    add(text.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[1] !== undefined) look = restyle(look, match[1]);
  }
  add(text.slice(from));
  return runs;
}

/** A line redrawn with carriage returns (a progress bar) is shown as it last stood. */
function settleReturns(text: string): string {
  if (!text.includes('\r')) return text;
  return text.split('\n').map(lastDrawn).join('\n');
}

function lastDrawn(line: string): string {
  let end = line.length;
  while (line[end - 1] === '\r') end -= 1;
  return line.slice(line.lastIndexOf('\r', end - 1) + 1, end);
}

function dropControls(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/[\x00-\x08\x0b-\x1f\x7f]/g, '');
}

function restyle(look: { color: string | null; bold: boolean }, parameters: string) {
  let { color, bold } = look;
  const codes = parameters.split(/[;:]/).map(Number);
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] ?? 0;
    if (code === 0) [color, bold] = [null, false];
    else if (code === 1) bold = true;
    else if (code === 22) bold = false;
    else if (code === 39) color = null;
    else if (code >= 30 && code <= 37) color = COLORS[code - 30] ?? null;
    else if (code >= 90 && code <= 97) color = COLORS[code - 90] ?? null;
    // Colours of the large palettes are not kept, but their parameters are stepped over.
    else if (code === 38 || code === 48) at += codes[at + 1] === 5 ? 2 : 4;
  }
  return { color, bold };
}
