/** A machine being added or changed: what was typed, what is wrong with it, and the command that keeps it. */
import { CallError, type Backend, type Machine } from '$lib/api';
import { addressProblem, freshMachineName } from './address';

export class MachineEditor {
  address = $state('');
  name = $state('');
  identity = $state('');
  busy = $state(false);
  error = $state.raw<CallError | null>(null);
  /** Whether it was tried to keep it: only then is a person told what is missing. */
  tried = $state(false);

  readonly #backend: Backend;
  readonly #machine: Machine | null;
  /** The machines there are; a name belongs to one. */
  readonly #known: () => readonly Machine[];

  constructor(backend: Backend, machine: Machine | null, known: () => readonly Machine[]) {
    this.#backend = backend;
    this.#machine = machine;
    this.#known = known;
    this.address = machine?.address ?? '';
    this.name = machine?.name ?? '';
    this.identity = machine?.identity ?? '';
  }

  get problem(): string | null {
    return addressProblem(this.address);
  }

  /** What it will be called where no name is given. */
  get suggested(): string {
    const others = this.#known().filter(({ id }) => id !== this.#machine?.id);
    return freshMachineName(
      this.address,
      others.map(({ name }) => name),
    );
  }

  /** The machine as it was kept; `null` where it was not, with the reason in `error` or `problem`. */
  async keep(): Promise<Machine | null> {
    this.tried = true;
    if (this.problem || this.busy) return null;
    this.busy = true;
    this.error = null;
    const address = this.address.trim();
    const name = this.name.trim() || this.suggested;
    const identity = this.identity.trim();
    const machine = { address, name, ...(identity === '' ? {} : { identity }) };
    try {
      return this.#machine
        ? await this.#backend.call('machine.change', { machine: this.#machine.id, ...machine })
        : await this.#backend.call('machine.add', machine);
    } catch (error) {
      this.error = CallError.from(error);
      return null;
    } finally {
      this.busy = false;
    }
  }

  async chooseIdentity(): Promise<void> {
    try {
      const [file] = await this.#backend.choose({ what: 'file', title: 'Choose a private key' });
      if (file !== undefined) this.identity = file;
    } catch (error) {
      this.error = CallError.from(error);
    }
  }
}
