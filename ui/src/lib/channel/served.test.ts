import { describe, expect, it } from 'vitest';
import type { Sandbox } from '$lib/api';
import { channel } from '$lib/state/samples';
import { servedWords } from './served';

const on = (sandbox: Partial<Sandbox>, listening = true, process: string | null = 'node') => {
  const previews = [{ port: 5173, listening, url: '', process, job: null }];
  const one = channel('a', { previews });
  return servedWords({ ...one, sandbox: { ...one.sandbox, ...sandbox } }, 5173);
};

describe('servedWords', () => {
  it('tells what answers, in plain words', () => {
    expect(on({})).toEqual({ answers: true, text: 'node on port 5173\u00A0· only you can open it' });
    expect(on({}, true, '\u001B[31mno\u202Ede').text).toContain('node on port');
    expect(on({}, true, null).text).toContain('Something on port');
    expect(on({}, false)).toEqual({ answers: false, text: 'Nothing answers on port 5173 now' });
  });

  it('does not say that something answers where nobody can know', () => {
    const lost = { state: 'reconnecting', attempt: 1, reason: '', refused: false } as const;
    expect(on({ connection: lost })).toEqual({
      answers: false,
      text: 'Port 5173 is out of reach now',
    });
    expect(on({ state: 'asleep' })).toEqual({
      answers: false,
      text: 'The sandbox sleeps, and what was on port 5173 with it',
    });
  });
});
