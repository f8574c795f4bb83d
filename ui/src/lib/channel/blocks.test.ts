import { describe, expect, it } from 'vitest';
import type { Author, EntryBody } from '$lib/api';
import { AGENT, action, entry } from '$lib/state/samples';
import { authorName, blocksOf } from './blocks';

const NOON = new Date(2026, 2, 3, 12).getTime();
const PERSON: Author = { kind: 'person' };
const BERTH: Author = { kind: 'berth' };
const says = (text: string): EntryBody => ({ kind: 'message', text });

function timeline(...said: [Author, EntryBody, number?][]) {
  return said.map(([author, body, minute = 0], index) =>
    entry(index + 1, { author, body, at: NOON + minute * 60_000 }),
  );
}

const shape = (said: ReturnType<typeof timeline>) =>
  blocksOf(said).map(({ author, items }) => [author?.kind ?? null, items.map(({ kind }) => kind)]);

describe('blocksOf', () => {
  it('joins what one author did, and consecutive actions in one box', () => {
    const blocks = blocksOf(
      timeline(
        [PERSON, says('do')],
        [AGENT, says('ok')],
        [AGENT, action('1')],
        [AGENT, action('2')],
        [AGENT, says('done')],
      ),
    );
    expect(blocks).toHaveLength(2);
    expect(blocks[1]?.items.map(({ kind }) => kind)).toEqual(['message', 'actions', 'message']);
    expect(blocks[1]?.items[1]).toMatchObject({
      lines: [{ card: { action: '1' } }, { card: { action: '2' } }],
    });
  });

  it('puts what Berth says where it happened, without breaking the block', () => {
    const preview: EntryBody = { kind: 'preview', port: 3000 };
    expect(shape(timeline([AGENT, action('1')], [BERTH, preview], [AGENT, action('2')]))).toEqual([
      ['agent', ['actions', 'preview', 'actions']],
    ]);
  });

  it('names nobody where only Berth spoke, and the next author anew', () => {
    const notice: EntryBody = { kind: 'notice', text: 'Ready.', error: null };
    expect(shape(timeline([BERTH, notice], [PERSON, says('hi')]))).toEqual([
      [null, ['notice']],
      ['person', ['message']],
    ]);
  });

  it('tells agents apart by name', () => {
    const other: Author = { kind: 'agent', name: 'other' };
    expect(shape(timeline([AGENT, says('a')], [other, says('b')]))).toHaveLength(2);
  });

  it('names the author again after a pause', () => {
    expect(
      shape(timeline([PERSON, says('a')], [PERSON, says('b'), 5], [PERSON, says('c'), 30])),
    ).toHaveLength(2);
  });

  it('marks the first block of each day', () => {
    const days = blocksOf(
      timeline([PERSON, says('a')], [PERSON, says('b'), 11], [PERSON, says('c'), 60 * 24]),
    );
    expect(days.map(({ day }) => day !== null)).toEqual([true, false, true]);
  });
});

describe('authorName', () => {
  it.each([
    ['claude-code', 'Claude Code'],
    ['Zed', 'Zed'],
    ['', 'Agent'],
    ['evil\u202Eedoc', 'evil\\u202Eedoc'],
    ['<b>x</b>', '<b>x</b>'],
  ])('shows the agent %s as %s', (name, shown) => {
    expect(authorName({ kind: 'agent', name })).toBe(shown);
  });
});
