import { describe, expect, it } from 'vitest';
import { CallError, type Channel } from '$lib/api';
import { Power } from './power.svelte';
import { channel } from './samples';
import { FakeBackend, settle } from './testing';

describe('Power', () => {
  it('is busy for the channel it was asked for, and for no other', async () => {
    let finish: (woken: Channel) => void = () => undefined;
    const backend = new FakeBackend({ 'sandbox.wake': () => new Promise((resolve) => (finish = resolve)) });
    const power = new Power(backend);
    const first = power.wake('a');
    const second = power.wake('a');
    await settle();
    expect([power.busy('a'), power.busy('b')]).toEqual([true, false]);
    expect(backend.calls).toEqual([{ name: 'sandbox.wake', request: { channel: 'a' } }]);
    finish(channel('a'));
    await Promise.all([first, second]);
    expect(power.busy('a')).toBe(false);
  });

  it('tells who asked why it failed, and can be asked again', async () => {
    const backend = new FakeBackend({
      'sandbox.sleep': () => {
        throw new CallError({ code: 'failed', message: 'no' });
      },
    });
    const power = new Power(backend);
    await expect(power.sleep('a')).rejects.toThrow('no');
    expect(power.busy('a')).toBe(false);
    await expect(power.sleep('a')).rejects.toThrow('no');
    expect(backend.calls).toHaveLength(2);
  });
});
