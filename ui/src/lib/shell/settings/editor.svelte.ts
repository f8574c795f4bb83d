/** Changes settings one at a time; a failure stays until the next try. */
import { CallError, type Backend, type Settings } from '$lib/api';
import type { Space } from '$lib/state/space.svelte';

export class SettingsEditor {
  busy = $state(false);
  error = $state.raw<CallError | null>(null);

  readonly #backend: Backend;
  readonly #space: Space;

  constructor(backend: Backend, space: Space) {
    this.#backend = backend;
    this.#space = space;
  }

  async set(changes: Partial<Settings>): Promise<void> {
    this.busy = true;
    this.error = null;
    try {
      // What they are then comes as an event; this answer may be older than the last one.
      await this.#backend.call('settings.set', { ...this.#space.settings, ...changes });
    } catch (error) {
      this.error = CallError.from(error);
    } finally {
      this.busy = false;
    }
  }
}
