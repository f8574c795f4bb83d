import { describe, expect, it } from 'vitest';
import type { Sandbox } from '$lib/api';
import { channel } from '$lib/state/samples';
import { connectionTrouble } from './connection';

const on = (sandbox: Partial<Sandbox>, machine = true) => {
  const one = channel('a', machine ? { provider: 'machine', machine: 'm' } : {});
  return connectionTrouble({ ...one, sandbox: { ...one.sandbox, ...sandbox } }, 'gpu-box');
};

describe('connectionTrouble', () => {
  it('is silent while all is well, or nothing is wanted', () => {
    expect(on({})).toBeNull();
    expect(on({ state: 'asleep', connection: { state: 'closed' } })).toBeNull();
  });

  it('says that it is on its way', () => {
    const connection = { state: 'connecting' } as const;
    expect(on({ connection })).toEqual({ text: 'Connecting to gpu-box…', tone: 'plain' });
    expect(on({ connection }, false)?.text).toBe('Connecting to the sandbox…');
    expect(on({ state: 'starting', connection })).toBeNull();
  });

  it('tells what the last try said, and that it is tried on, in one line whatever the machine said', () => {
    const lost = {
      state: 'reconnecting',
      attempt: 1,
      reason: 'No route\n\u001B[31mto host.',
      refused: false,
    } as const;
    expect(on({ connection: { ...lost, attempt: 0, reason: '' } })?.text).toBe(
      'The connection to gpu-box was lost. Connecting again…',
    );
    expect(on({ connection: lost })).toEqual({
      text: 'gpu-box is not reached: No route to host. Berth keeps trying.',
      tone: 'warn',
    });
    expect(on({ connection: { ...lost, reason: '' } }, false)?.text).toBe(
      'The sandbox is not reached. Berth keeps trying.',
    );
    expect(on({ connection: { ...lost, reason: 'Its key has changed.', refused: true } })).toEqual({
      text: 'gpu-box is not reached: Its key has changed.',
      tone: 'bad',
    });
  });
});
