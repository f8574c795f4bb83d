import { describe, expect, it } from 'vitest';
import { transfer } from '$lib/state/samples';
import { share, transferName, transferWords } from './words';

describe('transferWords', () => {
  const running = transfer('t', { done: 12_000_000, total: 40_000_000 });

  it('tells bytes, rate and time left of what runs', () => {
    expect(transferWords({ transfer: running, rate: 3_000_000 })).toBe('12 MB of 40 MB · 3 MB/s · 10 s left');
    expect(transferWords({ transfer: running, rate: null })).toBe('12 MB of 40 MB');
    expect(transferWords({ transfer: running, rate: 0 })).toBe('12 MB of 40 MB · 0 B/s · waiting');
    expect(transferWords({ transfer: { ...running, total: null }, rate: 1000 })).toBe('12 MB · 1 KB/s');
    expect(transferWords({ transfer: { ...running, total: 1e15 }, rate: 1 })).toContain(
      'more than a day left',
    );
  });

  it('tells how it ended, and why it failed', () => {
    expect(transferWords({ transfer: { ...running, status: { state: 'done' } }, rate: null })).toBe(
      '12 MB · done',
    );
    expect(transferWords({ transfer: { ...running, status: { state: 'stopped' } }, rate: null })).toBe(
      '12 MB of 40 MB · stopped',
    );
    const error = { code: 'failed', message: 'The disk is full.' } as const;
    expect(transferWords({ transfer: { ...running, status: { state: 'failed', error } }, rate: null })).toBe(
      '12 MB of 40 MB · The disk is full.',
    );
  });

  it('knows its share only with a size', () => {
    expect(share(running)).toBeCloseTo(0.3);
    expect(share({ done: 5, total: null })).toBeNull();
    expect(share({ done: 0, total: 0 })).toBe(1);
    expect(share({ done: 9, total: 3 })).toBe(1);
    expect(transferName({ name: 'a\nb', up: false })).toBe('Download of a b');
  });
});
