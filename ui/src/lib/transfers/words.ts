/** How a transfer stands, in a few words. */
import type { Transfer } from '$lib/api';
import { bytes, duration } from '$lib/kit/format';
import { plainLine } from '$lib/kit/plain';
import type { Progress } from '$lib/state/transfers.svelte';

/** How much has arrived, from 0 to 1; unknown until its size is. */
export function share({ done, total }: Pick<Transfer, 'done' | 'total'>): number | null {
  if (total === null) return null;
  return total === 0 ? 1 : Math.min(1, done / total);
}

/** "12 MB of 40 MB · 3 MB/s · 9 s left". */
export function transferWords({ transfer, rate }: Progress): string {
  const { done, total, status } = transfer;
  const amount = total === null ? bytes(done) : `${bytes(done)} of ${bytes(total)}`;
  switch (status.state) {
    case 'running':
      return [amount, rate === null ? null : `${bytes(rate)}/s`, left(transfer, rate)]
        .filter(Boolean)
        .join(' · ');
    case 'done':
      return `${bytes(done)} · done`;
    case 'stopped':
      return `${amount} · stopped`;
    case 'failed':
      return `${amount} · ${plainLine(status.error.message, 300)}`;
  }
}

/** What a transfer is called to somebody who does not see it. */
export function transferName({ name, up }: Pick<Transfer, 'name' | 'up'>): string {
  return `${up ? 'Upload' : 'Download'} of ${plainLine(name)}`;
}

/** How one ended, to somebody who does not see it; nothing while it goes on. */
export function endWords(transfer: Transfer): string | null {
  const { status } = transfer;
  if (status.state === 'running') return null;
  const how =
    status.state === 'failed'
      ? `failed: ${plainLine(status.error.message, 300)}`
      : { done: 'is done', stopped: 'was stopped' }[status.state];
  return `${transferName(transfer)} ${how}`;
}

function left({ done, total }: Transfer, rate: number | null): string | null {
  if (total === null || rate === null) return null;
  if (rate <= 0) return 'waiting';
  const seconds = Math.ceil(Math.max(0, total - done) / rate);
  return seconds > 86_400 ? 'more than a day left' : `${duration(seconds * 1000)} left`;
}
