import { describe, expect, it } from 'vitest';
import type { Preview } from '$lib/api';
import { channel } from '$lib/state/samples';
import { shownPort, shownTab } from './workbench';

const preview = (port: number, listening: boolean): Preview => ({
  port,
  listening,
  url: '',
  process: null,
  job: null,
});

describe('shownTab', () => {
  it('shows what was chosen', () => {
    expect(shownTab({ tab: 'terminal' }, channel('a', { previews: [preview(1, true)] }))).toBe('terminal');
  });

  it('else what is served, else files', () => {
    expect(shownTab({ tab: null }, channel('a', { previews: [preview(1, true)] }))).toBe('preview');
    expect(shownTab({ tab: null }, channel('a', { previews: [preview(1, false)] }))).toBe('files');
    expect(shownTab({ tab: null }, channel('a'))).toBe('files');
  });

  it('waits in Preview for a website that comes up', () => {
    const { sandbox } = channel('a');
    const coming = channel('a', { start: { kind: 'website' }, sandbox: { ...sandbox, state: 'starting' } });
    expect(shownTab({ tab: null }, coming)).toBe('preview');
  });
});

describe('shownPort', () => {
  it('prefers what was chosen, then what answers, then any', () => {
    const previews = [preview(3000, false), preview(5173, true)];
    expect(shownPort({ port: 8000 }, channel('a', { previews }))).toBe(8000);
    expect(shownPort({ port: null }, channel('a', { previews }))).toBe(5173);
    expect(shownPort({ port: null }, channel('a', { previews: [preview(3000, false)] }))).toBe(3000);
    expect(shownPort({ port: null }, channel('a'))).toBeNull();
  });
});
