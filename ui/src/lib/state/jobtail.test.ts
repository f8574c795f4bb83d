import { describe, expect, it } from 'vitest';
import { CallError, type Job, type JobOutputPart } from '$lib/api';
import { JobTail } from './jobtail.svelte';
import { FakeBackend, settle } from './testing';

const job = (state: 'running' | 'stopped'): Job => ({
  id: 'j',
  command: 'serve',
  cwd: '/',
  service: true,
  status: { state },
  started_at: 0,
  ended_at: null,
  action: null,
});

const part = (text: string, offset: number, size: number, state: 'running' | 'stopped'): JobOutputPart => ({
  text,
  offset,
  next_offset: offset + text.length,
  size,
  job: job(state),
});

describe('JobTail', () => {
  it('reads the end, waits for more, and ends with the job', async () => {
    const parts = [
      part('b', 100, 101, 'running'),
      part('c', 101, 102, 'running'),
      part('', 102, 102, 'stopped'),
    ];
    const backend = new FakeBackend({ 'job.output': () => parts.shift() ?? part('again', 0, 5, 'stopped') });
    const tail = new JobTail(backend, 'a', 'j');
    tail.follow();
    await settle();
    expect(tail.text).toBe('bc');
    expect(tail.skipped).toBe(true);
    expect(backend.calls.map(({ request }) => request)).toEqual([
      { channel: 'a', job: 'j', offset: -32_768 },
      { channel: 'a', job: 'j', offset: 101, wait_ms: 20_000 },
      { channel: 'a', job: 'j', offset: 102, wait_ms: 20_000 },
    ]);
  });

  it('drops what comes after nobody looks any more', async () => {
    let release: ((found: JobOutputPart) => void) | undefined;
    const backend = new FakeBackend({ 'job.output': () => new Promise((resolve) => (release = resolve)) });
    const tail = new JobTail(backend, 'a', 'j');
    const leave = tail.follow();
    await settle();
    leave();
    release?.(part('late', 0, 4, 'running'));
    await settle();
    expect(tail.text).toBe('');
    expect(backend.calls).toHaveLength(1);
  });

  it('keeps the reason when it cannot be read', async () => {
    const backend = new FakeBackend({
      'job.output': () => {
        throw new CallError({ code: 'not_running', message: 'asleep' });
      },
    });
    const tail = new JobTail(backend, 'a', 'j');
    tail.follow();
    await settle();
    expect(tail.error?.code).toBe('not_running');
  });
});
