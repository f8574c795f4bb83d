/** What the person's SSH configuration offers, looked up once for each form. */
import type { Backend } from '$lib/api';

export class Hosts {
  hosts = $state.raw<string[]>([]);
  notes = $state.raw<string[]>([]);

  constructor(backend: Backend) {
    backend.call('machine.hosts', {}).then(
      ({ hosts, notes }) => {
        this.hosts = hosts;
        this.notes = notes;
      },
      // Without suggestions the field works as well.
      () => undefined,
    );
  }
}
