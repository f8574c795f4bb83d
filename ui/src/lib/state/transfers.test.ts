import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { transfer } from './samples';
import { Transfers } from './transfers.svelte';

describe('Transfers', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('shows what begins and what ends at once, and progress a few times a second', () => {
    const all = new Transfers();
    all.put(transfer('t'));
    expect(all.get('t')?.transfer.done).toBe(0);
    for (let done = 1; done <= 100; done += 1) all.put(transfer('t', { done }));
    expect(all.get('t')?.transfer.done).toBe(0);
    vi.advanceTimersByTime(300);
    expect(all.get('t')?.transfer.done).toBe(100);
    all.put(transfer('t', { done: 200 }));
    all.put(transfer('t', { done: 1000, status: { state: 'done' } }));
    expect(all.get('t')?.transfer.status.state).toBe('done');
    vi.advanceTimersByTime(300);
    expect(all.get('t')?.transfer.done).toBe(1000);
  });

  it('tells the rate of the last seconds, and none of what stands still', () => {
    const all = new Transfers();
    all.put(transfer('t', { total: 1e9 }));
    expect(all.get('t')?.rate).toBeNull();
    for (let second = 1; second <= 10; second += 1) {
      vi.advanceTimersByTime(1000);
      all.put(transfer('t', { total: 1e9, done: second * 1000 }));
    }
    vi.advanceTimersByTime(300);
    expect(all.get('t')?.rate).toBeGreaterThan(700);
    expect(all.get('t')?.rate).toBeLessThan(1001);
    all.put(transfer('t', { status: { state: 'stopped' } }));
    expect(all.get('t')?.rate).toBeNull();
  });

  it('keeps each channel’s own, in their order, and forgets what is gone', () => {
    const all = new Transfers();
    all.put(transfer('t1'));
    all.put(transfer('t2', { channel: 'b' }));
    all.put(transfer('t3'));
    expect(all.of('a')).toEqual(['t1', 't3']);
    all.remove('t1');
    all.reset([transfer('t3'), transfer('t4')]);
    expect(all.of('a')).toEqual(['t3', 't4']);
    expect(all.of('b')).toEqual([]);
  });
});
