/** Where a new channel's sandbox is to run, as far as a person has said it. */
import type { ChannelCreate, Machine, MachineId, ProviderInfo, ProviderKind } from '$lib/api';

interface Known {
  providers: readonly ProviderInfo[];
  machines: readonly Machine[];
}

export class Where {
  /** What was chosen; without a choice the first that works. */
  picked = $state<ProviderKind | null>(null);
  pickedMachine = $state<MachineId | null>(null);
  /** The folder on a machine; empty for one of its own. */
  folder = $state('');

  readonly #known: Known;

  /** `known` is the space: what can be chosen changes under way. */
  constructor(known: Known) {
    this.#known = known;
  }

  get provider(): ProviderKind {
    return this.picked ?? this.#known.providers.find(({ available }) => available)?.kind ?? 'local';
  }

  /** The machine it would run on; the first where none was chosen. */
  get machine(): Machine | null {
    const { machines } = this.#known;
    return machines.find(({ id }) => id === this.pickedMachine) ?? machines[0] ?? null;
  }

  /** What is missing before a channel can be made. */
  get problem(): string | null {
    return this.provider === 'machine' && !this.machine ? 'Add a machine first.' : null;
  }

  /** What of it the engine is told. */
  get request(): Pick<ChannelCreate, 'provider' | 'machine' | 'folder'> {
    const { provider, machine } = this;
    if (provider !== 'machine' || !machine) return { provider };
    const folder = this.folder.trim();
    return { provider, machine: machine.id, ...(folder === '' ? {} : { folder }) };
  }
}
