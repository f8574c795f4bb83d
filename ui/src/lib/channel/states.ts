/** How a sandbox's state is told: a word, a colour, and the one action that fits it. */
import type { Channel, SandboxState } from '$lib/api';
import type { Tone } from '$lib/kit/tone';

export type PrimaryAction = 'sleep' | 'wake' | 'connect' | 'retry';

/** What the button for it says, wherever it stands. */
export const ACTION_WORDS: Record<PrimaryAction, string> = {
  sleep: 'Sleep',
  wake: 'Wake up',
  connect: 'Connect again',
  retry: 'Try again',
};

/** What is said where it did not come about. */
export const ACTION_FAILED: Record<PrimaryAction, string> = {
  sleep: 'It was not put to sleep',
  wake: 'It did not wake up',
  connect: 'Still no connection',
  retry: 'It could not be tried again',
};

interface StateWords {
  word: string;
  tone: Tone;
  action: PrimaryAction | null;
}

const STATES: Record<SandboxState, StateWords> = {
  wanted: { word: 'Setting up', tone: 'warn', action: null },
  provisioning: { word: 'Setting up', tone: 'warn', action: null },
  starting: { word: 'Starting', tone: 'warn', action: null },
  running: { word: 'Running', tone: 'ok', action: 'sleep' },
  stopping: { word: 'Falling asleep', tone: 'warn', action: null },
  asleep: { word: 'Asleep', tone: 'plain', action: 'wake' },
  failed: { word: 'Could not start', tone: 'bad', action: 'retry' },
  destroying: { word: 'Being deleted', tone: 'warn', action: null },
};

export function stateOf(channel: Channel): StateWords {
  const { state, connection } = channel.sandbox;
  if (state !== 'running') return STATES[state];
  switch (connection.state) {
    case 'connecting':
      return { ...STATES.running, word: 'Connecting', tone: 'warn' };
    case 'reconnecting':
      return connection.refused
        ? { word: 'Refused', tone: 'bad', action: 'connect' }
        : { word: 'Reconnecting', tone: 'warn', action: 'connect' };
    default:
      return STATES.running;
  }
}

/** Whether the sandbox is on its way up. */
export function isComingUp(channel: Channel): boolean {
  return ['wanted', 'provisioning', 'starting'].includes(channel.sandbox.state);
}

export function isRunning(channel: Channel): boolean {
  return channel.sandbox.state === 'running';
}

/** Whether nobody can know how things stand in it now. */
export function isOutOfReach(channel: Channel): boolean {
  const { state, connection } = channel.sandbox;
  return state === 'running' && connection.state === 'reconnecting';
}

/** Where it runs and how it reaches the network, in a few words. A machine of one's own has the network it has. */
export function whereabouts(channel: Channel, place: string): string {
  const networks = {
    full: 'own network',
    proxied: 'web access only',
    host: 'this computer’s network',
  };
  const { network } = channel.sandbox;
  return network && channel.provider === 'local' ? `${place} · ${networks[network]}` : place;
}
