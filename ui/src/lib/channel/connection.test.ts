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

  it('tells what the last try said, and that it is tried on, where it is', () => {
    const lost = { state: 'reconnecting', attempt: 1, reason: 'No route to host.', refused: false } as const;
    expect(on({ connection: { ...lost, attempt: 0, reason: '' } })?.text).toBe(
      'The connection to gpu-box was lost. Connecting again…',
    );
    expect(on({ connection: lost })).toEqual({
      text: 'The connection to gpu-box was lost: No route to host. Berth keeps trying.',
      tone: 'warn',
    });
    expect(on({ connection: { ...lost, reason: '' } }, false)?.text).toBe(
      'The connection to the sandbox was lost. Berth keeps trying.',
    );
    expect(on({ connection: { ...lost, reason: 'Its key has changed.', refused: true } })).toEqual({
      text: 'The connection to gpu-box was lost: Its key has changed.',
      tone: 'bad',
    });
  });

  it('says why a machine is out of reach, in one line whatever the machine said', () => {
    const failure = { code: 'failed', message: 'Refused\n\u001B[31mby it.' } as const;
    expect(on({ state: 'unreachable', failure })).toEqual({
      text: 'Berth does not reach gpu-box. Refused by it.',
      tone: 'bad',
    });
  });
});
