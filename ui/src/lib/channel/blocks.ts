/**
 * A timeline as it is read: days, in them runs of entries by one author, in those messages and boxes of actions.
 */
import type { ActionCard, Author, Entry, EntryId, RpcError } from '$lib/api';
import { dayNumber } from '$lib/kit/format';
import { shown } from '$lib/kit/shown';

/** A pause after which the same author is named again. */
const PAUSE_MS = 10 * 60_000;

export interface ActionLine {
  id: EntryId;
  card: ActionCard;
  at: number;
}

export type Item =
  | { kind: 'message'; id: EntryId; text: string }
  | { kind: 'actions'; id: EntryId; lines: ActionLine[] }
  | { kind: 'preview'; id: EntryId; port: number }
  | { kind: 'notice'; id: EntryId; text: string; error: RpcError | null; at: number };

export interface Block {
  id: EntryId;
  /** Set on the first block of a day. */
  day: number | null;
  /** `null` for what only Berth itself said. */
  author: Author | null;
  at: number;
  items: Item[];
}

export function blocksOf(entries: readonly Entry[]): Block[] {
  const blocks: Block[] = [];
  let block: Block | undefined;
  let day: number | undefined;
  let last = 0;
  for (const entry of entries) {
    const today = dayNumber(entry.at);
    const byBerth = entry.author.kind === 'berth';
    const goesOn =
      block &&
      today === day &&
      entry.at - last < PAUSE_MS &&
      (byBerth || sameAuthor(block.author, entry.author));
    if (!block || !goesOn) {
      const author = byBerth ? null : entry.author;
      block = { id: entry.id, day: today === day ? null : entry.at, author, at: entry.at, items: [] };
      blocks.push(block);
    }
    add(block, entry);
    day = today;
    last = entry.at;
  }
  return blocks;
}

function add(block: Block, { id, at, body }: Entry): void {
  switch (body.kind) {
    case 'action': {
      const line = { id, at, card: body.card };
      const previous = block.items.at(-1);
      if (previous?.kind === 'actions') previous.lines.push(line);
      else block.items.push({ kind: 'actions', id, lines: [line] });
      return;
    }
    case 'message':
      block.items.push({ kind: 'message', id, text: body.text });
      return;
    case 'preview':
      block.items.push({ kind: 'preview', id, port: body.port });
      return;
    case 'notice':
      block.items.push({ kind: 'notice', id, text: body.text, error: body.error, at });
  }
}

function sameAuthor(a: Author | null, b: Author): boolean {
  if (a?.kind !== b.kind) return false;
  return a.kind !== 'agent' || b.kind !== 'agent' || a.name === b.name;
}

/** Who it was, as shown. */
export function authorName(author: Author): string {
  switch (author.kind) {
    case 'person':
      return 'You';
    case 'agent':
      return displayName(shown(author.name));
    case 'script':
      return 'Script';
    case 'berth':
      return 'Berth';
  }
}

/** "claude-code" as "Claude Code"; a name that is already written for people stays as it is. */
function displayName(name: string): string {
  if (!/^[a-z0-9]+([-_][a-z0-9]+)*$/.test(name)) return name || 'Agent';
  return name.replace(
    /(^|[-_])([a-z0-9])/g,
    (_, dash: string, letter: string) => (dash ? ' ' : '') + letter.toUpperCase(),
  );
}
