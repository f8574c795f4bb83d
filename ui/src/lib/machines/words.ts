/** How a machine stands, as far as its channels and the last check tell. */
import type { Channel } from '$lib/api';
import { stateOf } from '$lib/channel/states';
import { count } from '$lib/kit/format';
import type { Tone } from '$lib/kit/tone';
import type { Checking } from '$lib/state/checks.svelte';
import { isReached, lacking } from './report';

interface MachineState {
  word: string;
  tone: Tone;
}

/** What is most worth knowing: trouble in a channel, then a check, then that it works. */
export function machineState(channels: readonly Channel[], checking: Checking): MachineState {
  if (checking.begun !== null) return { word: 'Being checked', tone: 'warn' };
  const states = channels.map((channel) => stateOf(channel));
  const trouble =
    states.find(({ tone }) => tone === 'bad') ??
    states.find(({ word }) => word === 'Reconnecting' || word === 'Connecting');
  if (trouble) return { word: trouble.word, tone: trouble.tone };
  const runs = states.some(({ word }) => word === 'Running');
  const { report } = checking;
  if (report) {
    if (!report.ok && isReached(report)) return { word: 'Cannot be a sandbox', tone: 'bad' };
    // It may have come back since.
    if (!report.ok) return runs ? { word: 'Connected', tone: 'ok' } : { word: 'Not connected', tone: 'bad' };
    const less = lacking(report).length;
    return less === 0
      ? { word: 'Can be a sandbox', tone: 'ok' }
      : { word: `Works, ${count(less, 'thing')} missing`, tone: 'warn' };
  }
  if (checking.error) return { word: 'Could not be checked', tone: 'bad' };
  if (runs) return { word: 'Connected', tone: 'ok' };
  return { word: 'Not checked yet', tone: 'plain' };
}

/** "3 channels", or that there are none. */
export function usedBy(channels: readonly Channel[]): string {
  return channels.length === 0 ? 'no channel' : count(channels.length, 'channel');
}
