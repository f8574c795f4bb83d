/** Putting a sandbox to sleep ends what runs in it; services are started again when it wakes up. */
import type { Channel } from '$lib/api';

const NAMED = 5;

/** What a sleep would end for good. */
interface Ended {
  /** Commands of jobs, the first of them. */
  commands: string[];
  /** How many jobs there are beyond these. */
  more: number;
  terminal: boolean;
}

/** `terminal` says whether one is open in it; nothing where nothing would end. */
export function endedBySleep({ jobs }: Pick<Channel, 'jobs'>, terminal: boolean): Ended | null {
  const commands = jobs
    .filter(({ service, status }) => !service && status.state === 'running')
    .map(({ command }) => command);
  if (commands.length === 0 && !terminal) return null;
  return { commands: commands.slice(0, NAMED), more: Math.max(0, commands.length - NAMED), terminal };
}
