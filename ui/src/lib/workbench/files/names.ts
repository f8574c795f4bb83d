/**
 * Names as they cross the wire, and as people see them. A name is hostile text: it may hold bytes that are no
 * UTF-8, control characters, or marks that reverse the reading order. None of them reaches the screen as itself.
 */

/** A byte `b` that is not part of valid UTF-8 crosses as the character U+10FF00 + `b`. */
const RAW_BYTE = /[\u{10FF00}-\u{10FFFF}]/u;

const UNSEEN =
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  /([\u0000-\u001F\u007F-\u009F\u00AD\u061C\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF]|[\u{10FF00}-\u{10FFFF}])/u;

const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A piece of a name: text as it stands, or one character written out because it cannot be shown. */
export interface NamePart {
  text: string;
  escaped: boolean;
}

/** A name in pieces, such as `caf` and `\xE9`. */
export function nameParts(name: string): NamePart[] {
  return name
    .split(UNSEEN)
    .map((text, at) => (at % 2 === 0 ? { text, escaped: false } : { text: escape(text), escaped: true }))
    .filter(({ text }) => text !== '');
}

/** A name, or a path, as one line of text that is safe to show. */
export function shown(name: string): string {
  return nameParts(name)
    .map(({ text }) => text)
    .join('');
}

/** Whether a name holds bytes that no text holds. */
export function hasRawBytes(name: string): boolean {
  return RAW_BYTE.test(name);
}

function escape(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code >= 0x10ff00) return `\\x${hex(code - 0x10ff00, 2)}`;
  return SHORT[char] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`);
}

function hex(code: number, digits: number): string {
  return code.toString(16).toUpperCase().padStart(digits, '0');
}

const MAX_NAME_BYTES = 255;

/** What is wrong with a name somebody typed, in words; `null` where it is good. */
export function nameProblem(name: string): string | null {
  if (name === '') return 'It needs a name.';
  if (name === '.' || name === '..') return `“${name}” already has a meaning.`;
  if (name.includes('/')) return 'A name holds no slash.';
  if (name.includes('\0')) return 'A name holds no NUL.';
  return new TextEncoder().encode(name).length > MAX_NAME_BYTES ? 'The name is too long.' : null;
}

/** What is wrong with a path to make, such as `src/new.ts`. */
export function newPathProblem(path: string): string | null {
  if (path.startsWith('/')) return 'It goes into this folder: no slash in front.';
  for (const name of path.split('/')) {
    const problem = nameProblem(name);
    if (problem) return path.includes('/') && name === '' ? 'A name is missing beside a slash.' : problem;
  }
  return null;
}

/** A name that is free beside others: `a.txt` → `a copy.txt`, `a copy 2.txt`. */
export function copyName(name: string, taken: (name: string) => boolean): string {
  const dot = name.lastIndexOf('.');
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  for (let n = 1; ; n += 1) {
    const candidate = `${stem} copy${n > 1 ? ` ${n}` : ''}${extension}`;
    if (!taken(candidate)) return candidate;
  }
}
