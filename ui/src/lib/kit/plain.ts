/** What a machine says before anybody trusts it: plain words, of a length that a person can read. */

// eslint-disable-next-line no-control-regex -- control sequences are what is looked for
const SEQUENCE = /\u001B(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001B]*(?:\u0007|\u001B\\)?|[@-Z\\-_])/g;
const UNSEEN =
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u00AD\u061C\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF\u{10FF00}-\u{10FFFF}]/gu;

const LIMIT = 4_000;

/** Text without control characters and marks that turn it round; line ends stay, and what is too long is cut. */
export function plain(text: string, limit = LIMIT): string {
  const words = text.replace(/\r\n?/g, '\n').replace(SEQUENCE, '').replace(UNSEEN, '').trim();
  return words.length > limit ? `${words.slice(0, limit)}…` : words;
}

/** The same in one line. */
export function plainLine(text: string, limit = 200): string {
  return plain(text.replace(/\s+/g, ' '), limit);
}
