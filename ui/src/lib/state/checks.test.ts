import { describe, expect, it } from 'vitest';
import type { CheckReport } from '$lib/api';
import { Checks } from './checks.svelte';
import { check, machine } from './samples';
import { FakeBackend, settle } from './testing';

const report = (ok: boolean): CheckReport => ({ ok, checks: [], round_trip_ms: 12, text: '' });

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
    expect(backend.calls.map(({ name }) => name)).toEqual(['machine.check', 'check.cancel', 'machine.check']);
    expect(backend.calls[1]?.request).toEqual({ kind: 'machine', id: 'x' });
    expect(checking.report).toBeNull();
    expect(checking.begun).not.toBeNull();
    answers[1]?.(report(true));
    await second;
    expect(checking.report?.ok).toBe(true);
    expect(checking.begun).toBeNull();
  });

  it('asks anew only once what was given up has ended, and nothing where that was given up too', async () => {
    let ended: () => void = () => undefined;
    const backend = new FakeBackend({
      'machine.check': () => new Promise<CheckReport>(() => undefined),
      'check.cancel': () => new Promise((resolve) => (ended = () => resolve({}))),
    });
    const checking = new Checks(backend).of({ kind: 'machine', id: 'x' });
    const asked = () => backend.calls.filter(({ name }) => name === 'machine.check').length;
    void checking.run();
    checking.cancel();
    void checking.run();
    await settle();
    expect(asked()).toBe(1);
    ended();
    await settle();
    expect(asked()).toBe(2);
    checking.cancel();
    void checking.run();
    checking.cancel();
    ended();
    await settle();
    expect(asked()).toBe(2);
  });

  it('shows what was found so far, and nothing of the check before', () => {
    const answers: ((report: CheckReport) => void)[] = [];
    const backend = new FakeBackend({
      'machine.check': () => new Promise<CheckReport>((resolve) => answers.push(resolve)),
    });
    const checks = new Checks(backend);
    const of = { kind: 'machine' as const, id: 'x' };
    void checks.of(of).run();
    checks.tell(of, [check({ id: 'tcp' })]);
    expect(checks.of(of).found.map(({ id }) => id)).toEqual(['tcp']);
    checks.of(of).cancel();
    void checks.of(of).run();
    expect(checks.of(of).found).toEqual([]);
  });

  it('shows no report from before where a later check was given up', async () => {
    let asked = 0;
    const backend = new FakeBackend({
      'machine.check': () => (asked++ === 0 ? report(true) : new Promise<CheckReport>(() => undefined)),
    });
    const checking = new Checks(backend).of({ kind: 'machine', id: 'x' });
    await checking.run();
    void checking.run();
    checking.cancel();
    expect([checking.report, checking.cancelled]).toEqual([null, true]);
  });

  it('forgets what was found of a machine when it is reached another way, and lets a check go on', async () => {
    let hold = false;
    const backend = new FakeBackend({
      'machine.check': () => (hold ? new Promise<CheckReport>(() => undefined) : report(true)),
    });
    const checks = new Checks(backend);
    const of = (id: string) => checks.of({ kind: 'machine', id });
    const reports = () => ['x', 'y', 'z'].map((id) => of(id).report?.ok);
    checks.follow([machine('x'), machine('y'), machine('z')]);
    await Promise.all(['x', 'y', 'z'].map((id) => of(id).run()));
    checks.follow([machine('x', { name: 'new' }), machine('y', { address: 'new' }), machine('z')]);
    expect(reports()).toEqual([true, undefined, true]);
    hold = true;
    void of('z').run();
    checks.follow([machine('z', { identity: '/key' })]);
    expect(reports()).toEqual([true, undefined, undefined]);
    expect(of('z').begun).not.toBeNull();
  });

  it('says why there is no report', async () => {
    const checking = new Checks(new FakeBackend()).of({ kind: 'machine', id: 'x' });
    await checking.run();
    expect(checking.error?.message).toBe('no answer to machine.check');
    expect(checking.begun).toBeNull();
  });
});
