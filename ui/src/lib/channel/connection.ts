/** What goes on with a connection that is not as it should be, in a sentence. */
import type { Channel } from '$lib/api';
import { plainLine } from '$lib/kit/plain';
import type { Tone } from '$lib/kit/tone';

export interface Trouble {
  text: string;
  /** Plain while nothing is wrong yet. */
  tone: Exclude<Tone, 'ok'>;
}

/** `place` is where the sandbox runs. Nothing where the connection stands, or is not to stand. */
export function connectionTrouble({ provider, sandbox }: Channel, place: string): Trouble | null {
  const machine = provider === 'machine' ? plainLine(place, 80) : null;
  const it = machine ?? 'the sandbox';
  const { connection, state } = sandbox;
  if (state !== 'running') return null;
  if (connection.state === 'connecting') return { text: `Connecting to ${it}…`, tone: 'plain' };
  if (connection.state !== 'reconnecting') return null;
  const { attempt, reason, refused } = connection;
  // Before a try has failed there was a connection; after one nobody can tell.
  if (attempt === 0) return { text: `The connection to ${it} was lost. Connecting again…`, tone: 'warn' };
  const out = `${machine ?? 'The sandbox'} is not reached`;
  const why = ended(reason ? `${out}: ${plainLine(reason, 300)}` : out);
  return refused ? { text: why, tone: 'bad' } : { text: `${why} Berth keeps trying.`, tone: 'warn' };
}

function ended(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
