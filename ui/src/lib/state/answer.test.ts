import { expect, it } from 'vitest';
import { Answer } from './answer.svelte';
import { settle } from './testing';

it('holds what was answered, or why nothing was', async () => {
  const good = new Answer(Promise.resolve(42));
  const bad = new Answer(Promise.reject(new Error('no')));
  expect([good.value, good.error]).toEqual([null, null]);
  await settle();
  expect([good.value, good.error]).toEqual([42, null]);
  expect([bad.value, bad.error?.message]).toEqual([null, 'no']);
});
