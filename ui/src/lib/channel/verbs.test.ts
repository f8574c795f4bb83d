import { expect, it } from 'vitest';
import { goingWord } from './verbs';

it('does not say that something goes on where nobody can know', () => {
  expect(goingWord('run', false)).toBe('Running');
  expect(goingWord('run', true)).toBe('Was running');
  expect(goingWord('glob', true)).toBe('Was looking for');
});
