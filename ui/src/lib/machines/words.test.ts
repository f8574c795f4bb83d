import { describe, expect, it } from 'vitest';
import type { Check, CheckReport, Connection } from '$lib/api';
import { Checking } from '$lib/state/checks.svelte';
import { channel, check } from '$lib/state/samples';
import { machineState } from './words';

async function checked(...checks: Check[]) {
  const ok = checks.every((one) => one.ok || one.optional);
  const report: CheckReport = { ok, checks, round_trip_ms: null, text: '' };
  const checking = new Checking(
    () => Promise.resolve(report),
    () => Promise.resolve(),
  );
  await checking.run();
  return checking;
}

describe('machineState', () => {
  it('counts what is missing', async () => {
    const less = check({ ok: false, optional: true });
    expect(machineState([], await checked(check()))).toEqual({ word: 'Can be a sandbox', tone: 'ok' });
    expect(machineState([], await checked(check(), less)).word).toBe('Works, 1 thing missing');
    expect(machineState([], await checked(check(), less, less, less))).toEqual({
      word: 'Works, 3 things missing',
      tone: 'warn',
    });
  });

  it('says first what is wrong with the connection of a channel', async () => {
    const on = (connection: Connection) => {
      const one = channel('a');
      return { ...one, sandbox: { ...one.sandbox, connection } };
    };
    const well = await checked(check());
    expect(machineState([on({ state: 'connecting' })], well)).toEqual({ word: 'Connecting', tone: 'warn' });
    const lost = { state: 'reconnecting', attempt: 1, reason: '' } as const;
    expect(machineState([channel('b'), on({ ...lost, refused: false })], well).word).toBe('Reconnecting');
    expect(machineState([on({ ...lost, refused: true })], well)).toEqual({ word: 'Refused', tone: 'bad' });
  });

  it('says nothing of a check that was given up', async () => {
    const checking = await checked(check({ ok: false }));
    expect(machineState([], checking).tone).toBe('bad');
    void checking.run();
    checking.cancel();
    expect(machineState([], checking).word).toBe('Not checked yet');
    expect(machineState([channel('a')], checking).word).toBe('Connected');
  });
});
