import { expect, it } from 'vitest';
import { Pause } from './pause';

it('takes no key for an answer while somebody types on, and each one after a pause', () => {
  let at = 5_000;
  const after = (ms: number) => (at += ms);
  const pause = new Pause(true, () => at);
  const swallowed = [0, 300, 650, 650, 700, 10].map((ms) => after(ms) > 0 && pause.swallows());
  expect(swallowed).toEqual([true, true, true, true, false, false]);
});

it('takes each key where nobody was typing', () => {
  expect(new Pause(false, () => 0).swallows()).toBe(false);
});
