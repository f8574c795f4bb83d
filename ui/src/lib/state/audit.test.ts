import { describe, expect, it } from 'vitest';
import type { AuditRow } from '$lib/api';
import { AuditLog } from './audit.svelte';
import { FakeBackend } from './testing';

const row = (n: number): AuditRow => ({
  row: n,
  action: `x${n}`,
  channel: 'a',
  channel_name: 'a',
  author: { kind: 'person' },
  verb: 'run',
  subject: 'true',
  script: 'true',
  at: n,
  duration_ms: 1,
  exit_code: 0,
  error: null,
  bytes_in: 0,
  bytes_out: 0,
});

/** Rows 1 … `last`, newest first, as the engine pages them. */
function logOf(last: () => number) {
  const backend = new FakeBackend({
    'audit.list': ({ before = Infinity, limit = 200 }) => {
      const newest = Math.min(last(), before - 1);
      const rows = Array.from({ length: Math.min(limit, newest) }, (_, index) => row(newest - index));
      return { rows };
    },
  });
  return new AuditLog(backend, 'a');
}

const numbers = (log: AuditLog) => log.rows.map((found) => found.row);

describe('AuditLog', () => {
  it('pages back to the beginning', async () => {
    const log = logOf(() => 150);
    await log.refresh();
    expect(log.rows).toHaveLength(100);
    expect(log.more).toBe(true);
    await log.loadOlder();
    expect(numbers(log)).toEqual(Array.from({ length: 150 }, (_, index) => 150 - index));
    expect(log.more).toBe(false);
  });

  it('adds what is new without forgetting what is older', async () => {
    let last = 120;
    const log = logOf(() => last);
    await log.refresh();
    await log.loadOlder();
    last = 122;
    await log.refresh();
    expect(numbers(log).slice(0, 3)).toEqual([122, 121, 120]);
    expect(log.rows).toHaveLength(122);
    expect(log.more).toBe(false);
  });

  it('begins anew when more is new than a page holds', async () => {
    let last = 10;
    const log = logOf(() => last);
    await log.refresh();
    last = 500;
    await log.refresh();
    expect(log.rows).toHaveLength(100);
    expect(log.more).toBe(true);
  });
});
