import { describe, expect, it } from 'vitest';
import { paragraphs } from './prose';

describe('paragraphs', () => {
  it('parts at empty lines and keeps single breaks', () => {
    expect(paragraphs('a\nb\n\n\nc')).toEqual([
      { kind: 'prose', spans: [{ kind: 'text', text: 'a\nb' }] },
      { kind: 'prose', spans: [{ kind: 'text', text: 'c' }] },
    ]);
  });

  it('finds code and links', () => {
    expect(paragraphs('see `a.ts` at https://x.dev/a?b=1.')).toEqual([
      {
        kind: 'prose',
        spans: [
          { kind: 'text', text: 'see ' },
          { kind: 'code', text: 'a.ts' },
          { kind: 'text', text: ' at ' },
          { kind: 'link', text: 'https://x.dev/a?b=1', url: 'https://x.dev/a?b=1' },
          { kind: 'text', text: '.' },
        ],
      },
    ]);
  });

  it('links only to the web', () => {
    const kinds = (text: string) =>
      paragraphs(text).flatMap((part) => (part.kind === 'prose' ? part.spans.map(({ kind }) => kind) : []));
    expect(kinds('javascript:alert(1) file:///etc/passwd')).toEqual(['text']);
  });

  it('keeps fenced code as it is', () => {
    expect(paragraphs('before\n```js\nconst a = `b`;\n\nhttps://x\n```\nafter')).toEqual([
      { kind: 'prose', spans: [{ kind: 'text', text: 'before' }] },
      { kind: 'pre', text: 'const a = `b`;\n\nhttps://x' },
      { kind: 'prose', spans: [{ kind: 'text', text: 'after' }] },
    ]);
  });

  it('keeps markup as text', () => {
    expect(paragraphs('<img src=x onerror=alert(1)>')).toEqual([
      { kind: 'prose', spans: [{ kind: 'text', text: '<img src=x onerror=alert(1)>' }] },
    ]);
  });

  it('takes a fence that nothing closes for text', () => {
    expect(paragraphs('```js\na').map(({ kind }) => kind)).toEqual(['prose']);
    expect(paragraphs('```\n```')).toEqual([{ kind: 'pre', text: '' }]);
  });

  // At this size, work that grows with the square of the input does not end.
  it('takes a hostile text in one pass', () => {
    const fences = '```a\n'.repeat(200_000);
    expect(paragraphs(fences)).toHaveLength(1);
    expect(paragraphs(`\`\`\`${' '.repeat(500_000)}x`)).toHaveLength(1);
  });
});
