import { beforeEach, describe, expect, it, vi } from 'vitest';
import { channel } from '$lib/state/samples';
import { FakeBackend } from '$lib/state/testing';
import { Files } from './files.svelte';

function setUp() {
  const backend = new FakeBackend({
    'action.list': ({ path = '' }) => ({ path, entries: [], total: 0 }),
    'action.read': ({ path }) => ({
      path,
      size: 1,
      version: '1',
      content: { kind: 'text', text: 'x', first_line: 1, total_lines: 1, more: false },
    }),
  });
  const files = new Files(backend, channel('a'));
  files.tree.see(0, 40);
  return { backend, files, asked: () => backend.calls.map(({ name }) => name) };
}

beforeEach(() => {
  vi.useFakeTimers();
  const remembered = JSON.stringify({ expanded: ['/home/dev/work/src', 7], open: '/home/dev/work/a.ts' });
  vi.stubGlobal('localStorage', { getItem: () => remembered, setItem: () => undefined });
  return () => vi.useRealTimers();
});

describe('the files of a sandbox that does not run', () => {
  it('are not looked at: that would wake it up', async () => {
    const { files, asked } = setUp();
    files.changed([]);
    files.tree.refresh();
    files.show('/home/dev/work/b.ts');
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked()).toEqual([]);
  });

  it('are read when it runs, and what was open with them', async () => {
    const { files, asked } = setUp();
    files.awake(true);
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked()).toContain('action.list');
    expect(asked()).toContain('action.read');
    expect(files.open?.text).toBe('x');
  });
});
