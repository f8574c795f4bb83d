/**
 * Wakes sandboxes, connects to them again and puts them to sleep: what is under way for each channel, wherever in the
 * window it was asked for, and what kept it from coming about.
 */
import { SvelteMap } from 'svelte/reactivity';
import { CallError, type Backend, type Channel, type ChannelId } from '$lib/api';
import { stateOf, type PrimaryAction } from '$lib/channel/states';

type Command = 'sandbox.wake' | 'sandbox.sleep';

interface Problem {
  action: PrimaryAction;
  error: CallError;
}

export class Power {
  readonly #backend: Backend;
  readonly #underway = new SvelteMap<ChannelId, { command: Command; asked: Promise<void> }>();
  readonly #problems = new SvelteMap<ChannelId, Problem>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  busy(channel: ChannelId): boolean {
    return this.#underway.has(channel);
  }

  /** What kept the last `act` from coming about. */
  problem(channel: ChannelId): Problem | undefined {
    return this.#problems.get(channel);
  }

  dismiss(channel: ChannelId): void {
    this.#problems.delete(channel);
  }

  /** Does it, and keeps what went wrong for whoever shows the channel. */
  async act(channel: ChannelId, action: PrimaryAction): Promise<void> {
    this.dismiss(channel);
    try {
      await this.#ask(action === 'sleep' ? 'sandbox.sleep' : 'sandbox.wake', channel);
    } catch (failed) {
      this.#problems.set(channel, { action, error: CallError.from(failed) });
    }
  }

  /** Starts a sandbox, or connects to one that runs and is not reached; what goes wrong is for who asked. */
  wake(channel: ChannelId): Promise<void> {
    return this.#ask('sandbox.wake', channel);
  }

  /** What went wrong is over once something else fits, and told where the sandbox itself says it. */
  follow(channels: readonly Channel[]): void {
    for (const [id, { action, error }] of this.#problems) {
      const channel = channels.find((known) => known.id === id);
      const told = channel?.sandbox.failure?.message === error.message;
      if (!channel || told || stateOf(channel).action !== action) this.dismiss(id);
    }
  }

  /** Asked again meanwhile, it is still one request. How the sandbox stands then comes as an event. */
  #ask(command: Command, channel: ChannelId): Promise<void> {
    const underway = this.#underway.get(channel);
    if (underway?.command === command) return underway.asked;
    const asked = this.#backend
      .call(command, { channel })
      .then(() => undefined)
      .finally(() => {
        if (this.#underway.get(channel)?.asked === asked) this.#underway.delete(channel);
      });
    this.#underway.set(channel, { command, asked });
    return asked;
  }
}
