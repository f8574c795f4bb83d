import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { shellWord } from './sh';

describe('a word for sh', () => {
  it('means exactly its text', () => {
    for (const text of [
      'plain',
      'two words',
      "it's",
      '$HOME `id` "x" \\ *',
      '',
      '~',
      '-n',
      'a\nb',
      '!#&;|',
    ]) {
      const out = execFileSync('sh', ['-c', `printf %s ${shellWord(text)}`], { encoding: 'utf8' });
      expect(out).toBe(text);
    }
  });
});
