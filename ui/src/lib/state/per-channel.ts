/** One thing for each channel: made on first use, kept whatever view comes and goes, ended when the channel is gone. */
import type { Channel, ChannelId } from '$lib/api';
import type { Space } from './space.svelte';

export class PerChannel<T> {
  readonly #all = new Map<ChannelId, T>();
  readonly #make: (channel: Channel) => T;
  readonly #fits: (thing: T, channel: Channel) => boolean;

  /** One that does not fit its channel any more is made anew. */
  constructor(
    space: Space,
    make: (channel: Channel) => T,
    end?: (thing: T) => void,
    fits: (thing: T, channel: Channel) => boolean = () => true,
  ) {
    this.#make = make;
    this.#fits = fits;
    space.observe({
      gone: (channel) => {
        const thing = this.#all.get(channel);
        this.#all.delete(channel);
        if (thing !== undefined) end?.(thing);
      },
    });
  }

  of(channel: Channel): T {
    let thing = this.#all.get(channel.id);
    if (thing === undefined || !this.#fits(thing, channel)) {
      thing = this.#make(channel);
      this.#all.set(channel.id, thing);
    }
    return thing;
  }

  get(channel: ChannelId): T | undefined {
    return this.#all.get(channel);
  }

  values(): T[] {
    return [...this.#all.values()];
  }
}
