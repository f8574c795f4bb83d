/** What a check found, in a sentence. */
import type { ChangedKey, Check, CheckReport } from '$lib/api';
import { plain, plainLine } from '$lib/kit/plain';
import { shellWord } from '$lib/kit/sh';

/** How a check stands: as it should be, made up for by another way, less than it could be, or in the way. */
export type Mark = 'ok' | 'past' | 'less' | 'bad';

export const MARK_WORDS: Record<Mark, string> = {
  ok: 'as it should be',
  past: 'another way was found',
  less: 'works with less',
  bad: 'in the way',
};

export function markOf({ ok, optional, overtaken }: Pick<Check, 'ok' | 'optional' | 'overtaken'>): Mark {
  if (ok) return 'ok';
  if (overtaken) return 'past';
  return optional ? 'less' : 'bad';
}

/** What was checked: a machine that may become a sandbox, or a sandbox in use. */
export type Checked = 'machine' | 'sandbox';

/** What a machine lacks that can be a sandbox. */
export function lacking({ checks }: Pick<CheckReport, 'checks'>): Check[] {
  return checks.filter((check) => markOf(check) === 'less');
}

/** Whether the machine was reached at all: what comes before its shell is the way to it. */
export function isReached({ checks }: Pick<CheckReport, 'checks'>): boolean {
  return checks.some(({ id }) => id === 'shell');
}

const VERDICTS = {
  machine: {
    ok: 'This machine can be a sandbox.',
    less: 'This machine can be a sandbox, with less than it could have.',
    bad: 'This machine cannot be a sandbox',
  },
  sandbox: {
    ok: 'Nothing is wrong with the connection.',
    less: 'The connection works. Some things could be better.',
    bad: 'The sandbox cannot be used',
  },
} as const satisfies Record<Checked, Record<Exclude<Mark, 'past'>, string>>;

/** Whether it can be a sandbox; and if not, why. */
export function verdict({ ok, checks }: CheckReport, of: Checked): string {
  const words = VERDICTS[of];
  if (!ok) {
    const reached = isReached({ checks });
    const bad = reached ? words.bad : 'Berth could not connect';
    const wrong = checks.filter((check) => markOf(check) === 'bad');
    // On the way to it one thing is tried after the other: the last one is where it ended.
    const telling = reached ? wrong[0] : wrong.at(-1);
    const why = telling && firstSentence(plainLine(telling.detail || telling.label));
    return why ? `${bad}, because: ${lowerFirst(why)}` : `${bad}.`;
  }
  return lacking({ checks }).length === 0 ? words.ok : words.less;
}

/** How far a check came: what was looked at last, and how much there was before. */
export function progress(found: readonly Check[]): string {
  const last = found.at(-1);
  if (!last) return 'Connects, signs in, then looks at what it has and what it can do.';
  return `${plainLine(last.label, 80)} · ${found.length} done`;
}

/** What was looked at last, to somebody who does not see it. */
export function stepWords(found: readonly Check[]): string | null {
  const last = found.at(-1);
  return last ? `${plainLine(last.label, 80)}, ${MARK_WORDS[markOf(last)]}` : null;
}

/** What was found. A key that has changed is told of below, fingerprint by fingerprint. */
export function detailOf({ detail, changed_key }: Check): string {
  return changed_key ? firstSentence(plainLine(detail, 600)) : plain(detail, 600);
}

/** The command that takes a key out of a file that is not Berth's. */
export function forgetCommand({ file, host }: Pick<ChangedKey, 'file' | 'host'>): string {
  return `ssh-keygen -f ${shellWord(file)} -R ${shellWord(host)}`;
}

/** The rest stands below. */
function firstSentence(text: string): string {
  return /^.+?[.](?= [A-Z])/.exec(text)?.[0] ?? text;
}

/** "Could not" becomes "could not", "SSH" and "22" stay. */
function lowerFirst(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
