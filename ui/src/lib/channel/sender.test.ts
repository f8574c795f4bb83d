import { describe, expect, it } from 'vitest';
import { CallError, type ActionRun } from '$lib/api';
import { Power } from '$lib/state/power.svelte';
import { action, channel, entry } from '$lib/state/samples';
import { FakeBackend, settle, type Answers } from '$lib/state/testing';
import { Timeline } from '$lib/state/timeline.svelte';
import { Sender } from './sender.svelte';

function setUp(answers: Answers) {
  const backend = new FakeBackend(answers);
  return { backend, sender: new Sender(backend), timeline: new Timeline(backend, 'a') };
}

describe('Sender', () => {
  it('posts a message', async () => {
    const { backend, sender, timeline } = setUp({ 'message.post': () => entry(1) });
    expect(await sender.send('hi', 'a', timeline)).toEqual({ kind: 'message', text: 'hi' });
    expect(backend.calls).toEqual([{ name: 'message.post', request: { channel: 'a', text: 'hi' } }]);
  });

  it('has sent a command when its card is there, though the command still runs', async () => {
    const { backend, sender, timeline } = setUp({ 'action.run': () => new Promise(() => undefined) });
    const sent = sender.send('/run sleep 60', 'a', timeline);
    await settle();
    expect(sender.busy).toBe(true);
    const { id, background, timeout_s } = backend.calls[0]?.request as ActionRun;
    expect([background, timeout_s]).toEqual([false, 3600]);
    timeline.put(entry(1, { body: action(id ?? '') }));
    expect(await sent).toMatchObject({ kind: 'run' });
    expect(sender.busy).toBe(false);
  });

  it('starts a job as a service, without a time limit', async () => {
    const done = { stdout: '', stderr: '', exit_code: 0, duration_ms: 1, truncated: false, job: 'j' };
    const { backend, sender, timeline } = setUp({ 'action.run': () => done });
    await sender.send('/job npm run dev', 'a', timeline);
    expect(backend.calls[0]?.request).toMatchObject({
      command: 'npm run dev',
      background: true,
      service: true,
    });
    expect(backend.calls[0]?.request).not.toHaveProperty('timeout_s');
  });

  it('keeps the failure, and says that nothing was sent', async () => {
    const { sender, timeline } = setUp({
      'action.run': () => {
        throw new CallError({ code: 'not_running', message: 'asleep' });
      },
    });
    expect(await sender.send('/run ls', 'a', timeline)).toBeNull();
    expect(sender.error?.code).toBe('not_running');
    expect(sender.busy).toBe(false);
    sender.clear();
    expect(sender.error).toBeNull();
  });

  it('sends nothing that is incomplete', async () => {
    const { backend, sender, timeline } = setUp({});
    expect(await sender.send('/open x', 'a', timeline)).toBeNull();
    expect(sender.reason).toMatch(/port/);
    expect(backend.calls).toEqual([]);
  });

  it('wakes the sandbox', async () => {
    const { backend, sender } = setUp({ 'sandbox.wake': () => channel('a') });
    expect(await sender.wake('a', new Power(backend))).toBe(true);
    expect(backend.calls).toEqual([{ name: 'sandbox.wake', request: { channel: 'a' } }]);
  });
});
