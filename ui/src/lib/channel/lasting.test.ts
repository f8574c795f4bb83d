import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Trouble } from './connection';
import { Lasting } from './lasting.svelte';

const lost: Trouble = { text: 'lost', tone: 'warn' };
const refused: Trouble = { text: 'refused', tone: 'bad' };

describe('Lasting', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is silent about what is over within a second', () => {
    const lasting = new Lasting(null);
    lasting.put(lost);
    vi.advanceTimersByTime(900);
    lasting.put(null);
    vi.advanceTimersByTime(5_000);
    expect(lasting.trouble).toBeNull();
  });

  it('tells what goes on, as it stands then, until it is over', () => {
    const lasting = new Lasting(null);
    lasting.put(lost);
    vi.advanceTimersByTime(600);
    lasting.put({ ...lost, text: 'tried' });
    expect(lasting.trouble).toBeNull();
    vi.advanceTimersByTime(400);
    expect(lasting.trouble?.text).toBe('tried');
    lasting.put(lost);
    expect(lasting.trouble).toBe(lost);
    lasting.put(null);
    expect(lasting.trouble).toBeNull();
  });

  it('waits for the end of what is no trouble yet, from the beginning too', () => {
    const lasting = new Lasting({ text: 'connecting', tone: 'plain' });
    expect(lasting.trouble).toBeNull();
    vi.advanceTimersByTime(700);
    lasting.put(lost);
    vi.advanceTimersByTime(300);
    expect(lasting.trouble).toBe(lost);
  });

  it('tells at once what does not mend itself, and what was there before', () => {
    expect(new Lasting(lost).trouble).toBe(lost);
    const lasting = new Lasting(null);
    lasting.put(lost);
    lasting.put(refused);
    expect(lasting.trouble).toBe(refused);
  });
});
