import { expect, it } from 'vitest';
import { transfer } from '$lib/state/samples';
import { markOf } from './mark';

const failed = transfer('f', { status: { state: 'failed', error: { code: 'failed', message: 'no' } } });

it('counts what runs and what failed, and is silent about the rest', () => {
  const over = [
    transfer('d', { status: { state: 'done' } }),
    transfer('s', { status: { state: 'stopped' } }),
  ];
  expect(markOf(over)).toBeNull();
  expect(markOf([...over, transfer('a')])).toEqual({
    running: 1,
    failed: 0,
    words: '1 transfer on the way',
  });
  expect(markOf([transfer('a'), failed, transfer('b')])?.words).toBe(
    '2 transfers on the way, 1 transfer failed',
  );
  expect(markOf([failed])).toEqual({ running: 0, failed: 1, words: '1 transfer failed' });
});
