import { expect, it } from 'vitest';
import { diffLines } from './diff';

it('leaves out the file names and tells lines apart', () => {
  const diff = '--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n\\ No newline at end of file\n';
  expect(diffLines(diff).map(({ kind }) => kind)).toEqual(['hunk', 'context', 'removed', 'added', 'hunk']);
});

it('takes a diff without names', () => {
  expect(diffLines('@@ -1 +1 @@\n-a\n+b')).toHaveLength(3);
});
