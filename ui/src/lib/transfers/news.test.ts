import { expect, it } from 'vitest';
import { transfer } from '$lib/state/samples';
import { News } from './news.svelte';

const failed = { state: 'failed', error: { code: 'failed', message: 'The disk\nis full.' } } as const;

it('tells what ends from now on, and of a second end as of the first', () => {
  const news = new News();
  const old = transfer('old', { status: { state: 'stopped' } });
  const running = transfer('t', { up: false });
  news.follow([old, running]);
  expect(news.said).toBe('');
  news.follow([old, { ...running, done: 500 }]);
  expect(news.said).toBe('');
  news.follow([old, { ...running, status: failed }]);
  expect(news.said).toBe('Download of photos.zip failed: The disk is full.');
  news.follow([old, running]);
  expect(news.said).toBe('');
  news.follow([old, { ...running, status: { state: 'done' } }]);
  expect(news.said).toBe('Download of photos.zip is done');
  news.follow([old, { ...running, status: { state: 'done' } }, transfer('quick', { status: failed })]);
  expect(news.said).toBe('Upload of photos.zip failed: The disk is full.');
});
