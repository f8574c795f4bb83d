import { describe, expect, it } from 'vitest';
import type { CheckReport } from '$lib/api';
import { Checks } from './checks.svelte';
import { FakeBackend, settle } from './testing';

const report = (ok: boolean): CheckReport => ({ ok, checks: [], round_trip_ms: 12, text: '' });

const step = (id: string) => ({
  id,
  label: id,
  ok: true,
  optional: false,
  overtaken: false,
  detail: '',
  duration_ms: 1,
});

describe('Checks', () => {
  it('keeps one check for each machine and channel, with what it found', async () => {
    const backend = new FakeBackend({
      'machine.check': () => report(true),
      'sandbox.check': () => report(false),
    });
    const checks = new Checks(backend);
    await checks.of({ kind: 'machine', id: 'x' }).run();
    await checks.of({ kind: 'channel', id: 'x' }).run();
    expect(checks.of({ kind: 'machine', id: 'x' }).report?.ok).toBe(true);
    expect(checks.of({ kind: 'channel', id: 'x' }).report?.ok).toBe(false);
    expect(checks.of({ kind: 'machine', id: 'y' }).report).toBeNull();
    expect(backend.calls.map(({ request }) => request)).toEqual([{ machine: 'x' }, { channel: 'x' }]);
  });

  it('takes no answer that was given up, and the next one’s alone', async () => {
    const answers: ((report: CheckReport) => void)[] = [];
    const backend = new FakeBackend({
      'machine.check': () => new Promise<CheckReport>((resolve) => answers.push(resolve)),
    });
    const checking = new Checks(backend).of({ kind: 'machine', id: 'x' });
    void checking.run();
    expect(checking.begun).not.toBeNull();
    checking.cancel();
    expect(checking.begun).toBeNull();
    expect(checking.cancelled).toBe(true);
    const second = checking.run();
    answers[0]?.(report(false));
    await settle();
    expect(checking.report).toBeNull();
    expect(checking.begun).not.toBeNull();
    answers[1]?.(report(true));
    await second;
    expect(checking.report?.ok).toBe(true);
    expect(checking.begun).toBeNull();
  });

  it('shows what was found so far, and nothing of the check before', () => {
    const answers: ((report: CheckReport) => void)[] = [];
    const backend = new FakeBackend({
      'machine.check': () => new Promise<CheckReport>((resolve) => answers.push(resolve)),
    });
    const checks = new Checks(backend);
    const of = { kind: 'machine' as const, id: 'x' };
    void checks.of(of).run();
    checks.tell(of, [step('tcp')]);
    expect(checks.of(of).found.map(({ id }) => id)).toEqual(['tcp']);
    checks.of(of).cancel();
    void checks.of(of).run();
    expect(checks.of(of).found).toEqual([]);
  });

  it('says why there is no report', async () => {
    const checking = new Checks(new FakeBackend()).of({ kind: 'machine', id: 'x' });
    await checking.run();
    expect(checking.error?.message).toBe('no answer to machine.check');
    expect(checking.begun).toBeNull();
  });
});
