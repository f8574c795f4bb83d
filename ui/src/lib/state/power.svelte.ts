/** Wakes sandboxes and puts them to sleep: what is under way for each channel, wherever in the window it was asked for. */
import { SvelteMap } from 'svelte/reactivity';
import type { Backend, ChannelId } from '$lib/api';

export class Power {
  readonly #backend: Backend;
  readonly #underway = new SvelteMap<ChannelId, Promise<void>>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  busy(channel: ChannelId): boolean {
    return this.#underway.has(channel);
  }

  wake(channel: ChannelId): Promise<void> {
    return this.#ask('sandbox.wake', channel);
  }

  sleep(channel: ChannelId): Promise<void> {
    return this.#ask('sandbox.sleep', channel);
  }

  /** Asked again meanwhile, it is still one request. How the sandbox stands then comes as an event. */
  #ask(command: 'sandbox.wake' | 'sandbox.sleep', channel: ChannelId): Promise<void> {
    const underway = this.#underway.get(channel);
    if (underway) return underway;
    const asked = this.#backend
      .call(command, { channel })
      .then(() => undefined)
      .finally(() => this.#underway.delete(channel));
    this.#underway.set(channel, asked);
    return asked;
  }
}
