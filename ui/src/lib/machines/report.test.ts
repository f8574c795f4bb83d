import { describe, expect, it } from 'vitest';
import type { Check } from '$lib/api';
import { check } from '$lib/state/samples';
import { detailOf, forgetCommand, markOf, progress, stepWords, verdict } from './report';

const report = (ok: boolean, ...checks: Check[]) => ({ ok, checks, round_trip_ms: null, text: '' });

describe('verdict', () => {
  it('says that a machine can be a sandbox, or with less', () => {
    expect(verdict(report(true, check({})), 'machine')).toBe('This machine can be a sandbox.');
    const less = check({ ok: false, optional: true });
    expect(markOf(less)).toBe('less');
    expect(verdict(report(true, check({}), less), 'machine')).toBe(
      'This machine can be a sandbox, with less than it could have.',
    );
  });

  it('does not count a way in that was tried before another one let in, or an address before another one answered', () => {
    const tried = [
      check({ id: 'auth-agent', ok: false, overtaken: true }),
      check({ id: 'tcp', ok: false, overtaken: true }),
    ];
    expect(verdict(report(true, ...tried, check({})), 'machine')).toBe('This machine can be a sandbox.');
  });

  it('says why not, by the first thing in the way', () => {
    const less = check({ ok: false, optional: true, detail: 'No ripgrep.' });
    const bad = check({ ok: false, detail: 'Nothing answers on port 22.' });
    expect(verdict(report(false, less, bad), 'machine')).toBe(
      'This machine cannot be a sandbox, because: nothing answers on port 22.',
    );
    expect(verdict(report(false, check({ ok: false, detail: 'SSH ended.' })), 'sandbox')).toContain(
      'because: SSH ended.',
    );
    const long = check({ ok: false, detail: 'The key of box (127.0.0.1) has changed. It shows SHA256:a.b.' });
    expect(verdict(report(false, long), 'machine')).toBe(
      'This machine cannot be a sandbox, because: the key of box (127.0.0.1) has changed.',
    );
    expect(verdict(report(false), 'machine')).toBe('Berth could not connect.');
    const refused = ['No agent.', 'Not accepted.'].map((detail) =>
      check({ id: 'auth-key', ok: false, detail }),
    );
    expect(verdict(report(false, ...refused), 'machine')).toBe(
      'Berth could not connect, because: not accepted.',
    );
    const tcp = check({ id: 'tcp', ok: false, detail: 'Connection refused' });
    expect(verdict(report(false, tcp), 'sandbox')).toBe(
      'Berth could not connect, because: connection refused',
    );
  });
});

describe('a key that has changed', () => {
  const detail = 'The key of box has changed. It shows SHA256:b,\nand the file has SHA256:a.';

  it('is told of in a sentence, where its fingerprints stand below', () => {
    const changed_key = { host: 'box', known: 'SHA256:a', shown: 'SHA256:b', file: '/k', ours: true };
    expect(detailOf(check({ detail, changed_key }))).toBe('The key of box has changed.');
    expect(detailOf(check({ detail }))).toBe(detail);
  });

  it('is taken out of its file by a command that means this file and this host', () => {
    expect(forgetCommand({ file: '/home/ada/.ssh/known_hosts', host: 'box' })).toBe(
      'ssh-keygen -f /home/ada/.ssh/known_hosts -R box',
    );
    expect(forgetCommand({ file: '/home/it’s/$x', host: '[box]:2222' })).toBe(
      "ssh-keygen -f '/home/it’s/$x' -R '[box]:2222'",
    );
    expect(forgetCommand({ file: "/a'b", host: 'x; y' })).toBe("ssh-keygen -f '/a'\\''b' -R 'x; y'");
  });
});

it('says how far a check came by what it looked at last', () => {
  expect(progress([])).toContain('Connects');
  expect(stepWords([])).toBeNull();
  const found = [check({}), check({ label: 'Signing\nin', ok: false })];
  expect(progress(found)).toBe('Signing in · 2 done');
  expect(stepWords(found)).toBe('Signing in, in the way');
});
