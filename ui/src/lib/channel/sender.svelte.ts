/** Sends what the composer holds, and keeps what went wrong until the text changes. */
import { CallError, type Backend, type ChannelId } from '$lib/api';
import type { Power } from '$lib/state/power.svelte';
import type { Timeline } from '$lib/state/timeline.svelte';
import { parseInput, type Input } from './input';

/** The longest a command that somebody watches may run; Stop ends it sooner. */
const RUN_SECONDS = 3600;

type Sent = Exclude<Input, { kind: 'nothing' | 'incomplete' }>;

export class Sender {
  busy = $state(false);
  error = $state.raw<CallError | null>(null);
  /** Why the line cannot be sent as it stands. */
  reason = $state<string | null>(null);

  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  clear(): void {
    this.error = null;
    this.reason = null;
  }

  /** What was sent, once it is known to have arrived; `null` when it was not, and the text is to stay. */
  async send(text: string, channel: ChannelId, timeline: Timeline): Promise<Sent | null> {
    const input = parseInput(text);
    if (input.kind === 'nothing' || this.busy) return null;
    if (input.kind === 'incomplete') {
      this.reason = input.reason;
      return null;
    }
    return (await this.#try(() => this.#perform(input, channel, timeline))) ? input : null;
  }

  /** Wakes the sandbox; whether it runs then. */
  async wake(channel: ChannelId, power: Power): Promise<boolean> {
    return this.#try(() => power.wake(channel));
  }

  async #try(action: () => Promise<unknown>): Promise<boolean> {
    this.clear();
    this.busy = true;
    try {
      await action();
      return true;
    } catch (error) {
      this.error = CallError.from(error);
      return false;
    } finally {
      this.busy = false;
    }
  }

  #perform(input: Sent, channel: ChannelId, timeline: Timeline): Promise<unknown> {
    switch (input.kind) {
      case 'message':
        return this.#backend.call('message.post', { channel, text: input.text });
      case 'run':
        return this.#run(input.command, input.background, channel, timeline);
      case 'open':
        return this.#backend.call('preview.open', { channel, port: input.port });
      case 'help':
        return Promise.resolve();
    }
  }

  /** Resolves when the command's card is there, not when the command ends; from then on the card tells of it. */
  #run(command: string, background: boolean, channel: ChannelId, timeline: Timeline): Promise<unknown> {
    const id = newActionId();
    const timeout = background ? {} : { timeout_s: RUN_SECONDS };
    const ended = this.#backend.call('action.run', {
      channel,
      command,
      id,
      background,
      service: background,
      ...timeout,
    });
    return Promise.race([ended, timeline.appeared(id)]);
  }
}

/** In the form of the engine's own ids. */
function newActionId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
