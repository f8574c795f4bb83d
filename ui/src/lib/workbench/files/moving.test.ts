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
    await moving.drop(['/home/ada/x'], '/site');
    await moving.choose('files', '/site');
    backend.choose = () => Promise.resolve(['/home/ada/y']);
    await moving.choose('folder', '/site/src');
    expect(backend.calls.map(({ request }) => request)).toEqual([
      { channel: 'a', from: ['/home/ada/x'], to: '/site' },
      { channel: 'a', from: ['/home/ada/y'], to: '/site/src' },
    ]);
    expect(moving.problem).toBeNull();
  });

  it('fetches to the folder that was chosen, or not at all', async () => {
    const backend = ready();
    const moving = new Moving(backend, 'a');
    await moving.fetch(['/site/x']);
    expect(backend.calls).toEqual([]);
    backend.choose = () => Promise.resolve(['/home/ada']);
    await moving.fetch(['/site/x']);
    expect(backend.calls[0]?.request).toEqual({ channel: 'a', from: ['/site/x'], to: '/home/ada' });
  });

  it('says why nothing was sent', async () => {
    const moving = new Moving(new FakeBackend(), 'a');
    await moving.drop(['/x'], '/site');
    expect(moving.problem?.title).toBe('Nothing was uploaded');
    expect(moving.problem?.error.message).toBe('no answer to transfer.upload');
  });
});
