/** What goes on with a connection that is not as it should be, in a sentence. */
import type { Channel } from '$lib/api';
import { plainLine } from '$lib/kit/plain';
import type { Tone } from '$lib/kit/tone';

export interface Trouble {
  text: string;
  tone: Extract<Tone, 'warn' | 'bad'>;
}

/** `place` is where the sandbox runs. Nothing where the connection stands, or is not to stand. */
export function connectionTrouble({ provider, sandbox }: Channel, place: string): Trouble | null {
  const it = provider === 'machine' ? plainLine(place, 80) : 'the sandbox';
  const { connection, state, failure } = sandbox;
  if (state === 'unreachable') {
    const why = failure ? ` ${plainLine(failure.message, 300)}` : '';
    return { text: `Berth does not reach ${it}.${why}`, tone: 'bad' };
  }
  if (state !== 'running' || connection.state !== 'reconnecting') return null;
  const { attempt, reason, refused } = connection;
  const lost = `The connection to ${it} was lost`;
  if (attempt === 0) return { text: `${lost}. Connecting again…`, tone: 'warn' };
  const why = ended(reason ? `${lost}: ${plainLine(reason, 300)}` : lost);
  return refused ? { text: why, tone: 'bad' } : { text: `${why} Berth keeps trying.`, tone: 'warn' };
}

function ended(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
