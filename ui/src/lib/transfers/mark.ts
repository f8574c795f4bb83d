/** What is said of a channel's transfers where one does not see them. */
import type { Transfer } from '$lib/api';
import { count } from '$lib/kit/format';

interface Mark {
  running: number;
  failed: number;
  words: string;
}

/** Nothing where none runs or has failed. */
export function markOf(transfers: readonly Pick<Transfer, 'status'>[]): Mark | null {
  const among = (state: Transfer['status']['state']) =>
    transfers.filter(({ status }) => status.state === state).length;
  const [running, failed] = [among('running'), among('failed')];
  if (running + failed === 0) return null;
  const words = [
    running > 0 ? `${count(running, 'transfer')} on the way` : '',
    failed > 0 ? `${count(failed, 'transfer')} failed` : '',
  ];
  return { running, failed, words: words.filter(Boolean).join(', ') };
}
