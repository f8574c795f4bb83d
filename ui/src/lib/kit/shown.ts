/**
 * Text from elsewhere (names, commands, what programs print) as people see it. It is hostile: it may hold bytes that are
 * no UTF-8, control characters, or marks that reverse the reading order. None of them reaches the screen as itself.
 */

/** A byte `b` that is not part of valid UTF-8 crosses as the character U+10FF00 + `b`. */
const RAW_BYTE = /[\u{10FF00}-\u{10FFFF}]/u;

const UNSEEN =
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  /([\u0000-\u001F\u007F-\u009F\u00AD\u061C\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF]|[\u{10FF00}-\u{10FFFF}])/u;

const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
const LAYOUT: Record<string, string> = { '\\n': '\n', '\\t': '\t' };

/** A piece of a name: text as it stands, or one character written out because it cannot be shown. */
interface NamePart {
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

/** A text of several lines, safe to show; its line ends and tabs stay. */
export function shownLines(text: string): string {
  return nameParts(text)
    .map(({ text, escaped }) => (escaped ? (LAYOUT[text] ?? text) : text))
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
