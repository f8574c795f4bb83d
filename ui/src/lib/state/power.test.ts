import { describe, expect, it } from 'vitest';
import { CallError, type Channel, type Sandbox } from '$lib/api';
import { Power } from './power.svelte';
import { channel } from './samples';
import { FakeBackend, settle } from './testing';

const refuse = () => {
  throw new CallError({ code: 'failed', message: 'no' });
};
const lost: Partial<Sandbox> = {
  connection: { state: 'reconnecting', attempt: 1, reason: 'no', refused: true },
};
const standing = (changes: Partial<Sandbox>) => {
  const one = channel('a');
  return { ...one, sandbox: { ...one.sandbox, ...changes } };
};

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
    const backend = new FakeBackend({ 'sandbox.wake': refuse });
    const power = new Power(backend);
    await expect(power.wake('a')).rejects.toThrow('no');
    expect(power.busy('a')).toBe(false);
    await expect(power.wake('a')).rejects.toThrow('no');
    expect(backend.calls).toHaveLength(2);
    expect(power.problem('a')).toBeUndefined();
  });

  it('puts to sleep what is still being connected to', async () => {
    let finish: () => void = () => undefined;
    const backend = new FakeBackend({
      'sandbox.wake': refuse,
      'sandbox.sleep': () => new Promise((resolve) => (finish = () => resolve(channel('a')))),
    });
    const power = new Power(backend);
    const both = [power.act('a', 'connect'), power.act('a', 'sleep')];
    await settle();
    expect(backend.calls.map(({ name }) => name)).toEqual(['sandbox.wake', 'sandbox.sleep']);
    expect(power.busy('a')).toBe(true);
    finish();
    await Promise.all(both);
    expect(power.busy('a')).toBe(false);
  });

  it('keeps what went wrong until it is done, dismissed, over, or told by the sandbox itself', async () => {
    const backend = new FakeBackend({ 'sandbox.wake': refuse });
    const power = new Power(backend);
    const fail = () => power.act('a', 'connect');
    const problem = () => power.problem('a')?.error.message;
    await fail();
    power.follow([standing(lost)]);
    expect([problem(), power.problem('b')]).toEqual(['no', undefined]);
    power.dismiss('a');
    expect(problem()).toBeUndefined();
    for (const over of [
      [standing({})],
      [standing({ ...lost, failure: { code: 'failed', message: 'no' } })],
      [],
    ]) {
      await fail();
      power.follow(over);
      expect(problem()).toBeUndefined();
    }
    await fail();
    backend.answers['sandbox.wake'] = () => channel('a');
    await fail();
    expect(problem()).toBeUndefined();
  });
});
