import { describe, expect, it } from 'vitest';
import { transfer } from '$lib/state/samples';
import { FakeBackend } from '$lib/state/testing';
import { Moving } from './moving.svelte';

const ready = () =>
  new FakeBackend({ 'transfer.upload': () => transfer('t'), 'transfer.download': () => transfer('t') });

describe('Moving', () => {
  it('sends what was dropped or chosen, and nothing where nothing was', async () => {
    const backend = ready();
    const moving = new Moving(backend, 'a');
    await moving.drop(['/home/ada/x'], '/work');
    await moving.choose('files', '/work');
    backend.choose = () => Promise.resolve(['/home/ada/y']);
    await moving.choose('folder', '/work/src');
    expect(backend.calls.map(({ request }) => request)).toEqual([
      { channel: 'a', from: ['/home/ada/x'], to: '/work' },
      { channel: 'a', from: ['/home/ada/y'], to: '/work/src' },
    ]);
    expect(moving.problem).toBeNull();
  });

  it('fetches to the folder that was chosen, or not at all', async () => {
    const backend = ready();
    const moving = new Moving(backend, 'a');
    await moving.fetch(['/work/x']);
    expect(backend.calls).toEqual([]);
    backend.choose = () => Promise.resolve(['/home/ada']);
    await moving.fetch(['/work/x']);
    expect(backend.calls[0]?.request).toEqual({ channel: 'a', from: ['/work/x'], to: '/home/ada' });
  });

  it('says why nothing was sent', async () => {
    const moving = new Moving(new FakeBackend(), 'a');
    await moving.drop(['/x'], '/work');
    expect(moving.problem?.title).toBe('Nothing was uploaded');
    expect(moving.problem?.error.message).toBe('no answer to transfer.upload');
  });
});
