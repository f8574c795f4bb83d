import { expect, it } from 'vitest';
import type { Job } from '$lib/api';
import { job } from '$lib/state/samples';
import { endedBySleep } from './sleep';

const running = (n: number): Job[] =>
  Array.from({ length: n }, (_, at) => job(`${at}`, { command: `run ${at}` }));

it('ends what runs and is no service, and what is open', () => {
  const idle = [job('s', { service: true }), job('d', { status: { state: 'exited', code: 0 } })];
  expect(endedBySleep({ jobs: idle }, false)).toBeNull();
  expect(endedBySleep({ jobs: idle }, true)).toEqual({ commands: [], more: 0, terminal: true });
  expect(endedBySleep({ jobs: [...idle, ...running(1)] }, false)).toEqual({
    commands: ['run 0'],
    more: 0,
    terminal: false,
  });
});

it('names five, and counts the rest', () => {
  const ended = endedBySleep({ jobs: running(7) }, false);
  expect([ended?.commands.length, ended?.more]).toEqual([5, 2]);
});
