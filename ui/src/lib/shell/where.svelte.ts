/** Where a new channel's sandbox is to run, as far as a person has said it. */
import type { Backend, ChannelCreate, Machine, MachineId, ProviderInfo, ProviderKind } from '$lib/api';
import { MachineEditor } from '$lib/machines/editor.svelte';

interface Known {
  providers: readonly ProviderInfo[];
  machines: Machine[];
}

export class Where {
  /** What was chosen; without a choice the first that works. */
  picked = $state<ProviderKind | null>(null);
  /** The folder on a machine; empty for one of its own. */
  folder = $state('');

  readonly #backend: Backend;
  readonly #known: Known;
  #pickedMachine = $state<MachineId | null>(null);
  /** What was typed for a new machine; it stays while another one is looked at. */
  #editor: MachineEditor;
  #adds = $state(false);

  /** `known` is the space: what can be chosen changes under way. */
  constructor(backend: Backend, known: Known) {
    this.#backend = backend;
    this.#known = known;
    this.#editor = $state.raw(this.#fresh());
  }

  get provider(): ProviderKind {
    return this.picked ?? this.#known.providers.find(({ available }) => available)?.kind ?? 'local';
  }

  /** The new machine that is meant, as far as it was typed. Without any there is nothing to choose from. */
  get adding(): MachineEditor | null {
    return this.#adds || this.#known.machines.length === 0 ? this.#editor : null;
  }

  /** The machine it would run on; the first where none was chosen, none while one is added. */
  get machine(): Machine | null {
    if (this.adding) return null;
    const { machines } = this.#known;
    return machines.find(({ id }) => id === this.#pickedMachine) ?? machines[0] ?? null;
  }

  /** What is missing before a channel can be made. */
  get problem(): string | null {
    if (this.provider !== 'machine' || !this.adding) return null;
    return this.#known.machines.length === 0 ? 'Add a machine first.' : 'Add the machine first, or cancel.';
  }

  /** What of it the engine is told. */
  get request(): Pick<ChannelCreate, 'provider' | 'machine' | 'folder'> {
    const { provider, machine } = this;
    if (provider !== 'machine' || !machine) return { provider };
    const folder = this.folder.trim();
    return { provider, machine: machine.id, ...(folder === '' ? {} : { folder }) };
  }

  pickMachine(id: MachineId): void {
    this.#pickedMachine = id;
    this.#adds = false;
  }

  beginMachine(): void {
    this.#adds = true;
  }

  cancelMachine(): void {
    this.#adds = false;
    this.#editor = this.#fresh();
  }

  /** Adds the machine that was typed, and picks it; `null` where it was not added, and its editor says why. */
  async addMachine(): Promise<Machine | null> {
    const added = await this.#editor.keep();
    if (!added) return null;
    // The engine's word on it may come after this answer.
    if (!this.#known.machines.some(({ id }) => id === added.id))
      this.#known.machines = [...this.#known.machines, added];
    this.cancelMachine();
    this.pickMachine(added.id);
    return added;
  }

  /** Whether a channel can be made there. A machine that was only typed is added, for it is the one that is meant. */
  async settle(): Promise<boolean> {
    return this.problem === null || (await this.addMachine()) !== null;
  }

  #fresh(): MachineEditor {
    return new MachineEditor(this.#backend, null, () => this.#known.machines);
  }
}
