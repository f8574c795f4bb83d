import { describe, expect, it, vi } from 'vitest';
import { FakeBackend, settle } from '$lib/state/testing';
import { anyCase, FileFinder } from './finder.svelte';

describe('anyCase', () => {
  it('matches letters in either case and what a glob would interpret as itself', () => {
    expect(anyCase('a1.T')).toBe('[aA]1.[tT]');
    expect(anyCase('*?')).toBe('[*][?]');
  });
});

describe('FileFinder', () => {
  it('looks once typing pauses, and only for what is still wanted', async () => {
    vi.useFakeTimers();
    const backend = new FakeBackend({ 'action.glob': () => ({ paths: ['main.ts'], truncated: false }) });
    const finder = new FileFinder(backend);
    const giveUp = finder.find('a', 'ma');
    giveUp();
    finder.find('a', 'main');
    await vi.advanceTimersByTimeAsync(200);
    await settle();
    expect(backend.calls).toHaveLength(1);
    expect(finder.paths).toEqual(['main.ts']);
    finder.find('a', 'm');
    expect(finder.paths).toEqual([]);
    vi.useRealTimers();
  });
});
