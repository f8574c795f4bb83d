/** How a port that was shown stands now. */
import type { Channel } from '$lib/api';
import { plainLine } from '$lib/kit/plain';
import { isOutOfReach } from './states';

interface Served {
  /** Whether something answers, as far as can be told. */
  answers: boolean;
  text: string;
}

export function servedWords(channel: Channel, port: number): Served {
  const preview = channel.previews.find((known) => known.port === port);
  const silent = (text: string) => ({ answers: false, text });
  if (isOutOfReach(channel)) return silent(`Port ${port} is out of reach now`);
  if (channel.sandbox.state === 'asleep')
    return silent(`The sandbox sleeps, and what was on port ${port} with it`);
  if (!preview?.listening) return silent(`Nothing answers on port ${port} now`);
  const process = plainLine(preview.process ?? '', 60) || 'Something';
  return { answers: true, text: `${process} on port ${port}\u00A0· only you can open it` };
}
