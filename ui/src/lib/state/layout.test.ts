import { beforeEach, expect, it, vi } from 'vitest';
import { ChannelLayout } from './layout.svelte';

let items: Record<string, string>;
beforeEach(() => {
  items = {};
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => items[key] ?? null,
    setItem: (key: string, value: string) => (items[key] = value),
  });
});

it('remembers what was open, and nothing that is no tab', () => {
  new ChannelLayout('a').openPreview(3000);
  const again = new ChannelLayout('a');
  expect([again.tab, again.port]).toEqual(['preview', 3000]);
  items['berth.layout.a'] = '{"tab":"changes","port":"3000"}';
  const damaged = new ChannelLayout('a');
  expect([damaged.tab, damaged.port]).toEqual([null, null]);
});

it('leads to the composer without touching what stands in it', () => {
  const layout = new ChannelLayout('a');
  layout.overTalk = true;
  layout.compose('/job ');
  expect([layout.draft, layout.overTalk, layout.summoned]).toEqual(['/job ', false, 1]);
  layout.draft = 'half a sentence';
  layout.compose('/job ');
  expect([layout.draft, layout.summoned]).toEqual(['half a sentence', 2]);
});
