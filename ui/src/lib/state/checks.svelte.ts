/**
 * Checks of machines and of channels' sandboxes: what runs, and what the last one found. They outlive the view that began
 * them, so that one may look elsewhere meanwhile.
 */
import {
  CallError,
  type Backend,
  type Check,
  type CheckOf,
  type CheckReport,
  type Machine,
  type MachineId,
} from '$lib/api';

export class Checking {
  report = $state.raw<CheckReport | null>(null);
  /** What the check that runs has found so far. */
  found = $state.raw<Check[]>([]);
  /** When the report came. */
  at = $state(0);
  error = $state.raw<CallError | null>(null);
  /** When the check that runs began; `null` while none does. */
  begun = $state<number | null>(null);
  /** Whether the last one was given up. */
  cancelled = $state(false);

  readonly #ask: () => Promise<CheckReport>;
  readonly #end: () => Promise<unknown>;
  #wanted = 0;
  /** Settles once the engine has ended the check that was given up. */
  #ending: Promise<unknown> | null = null;

  /** `end` ends what `ask` has under way. */
  constructor(ask: () => Promise<CheckReport>, end: () => Promise<unknown>) {
    this.#ask = ask;
    this.#end = end;
  }

  async run(): Promise<void> {
    const mine = ++this.#wanted;
    this.begun = Date.now();
    this.found = [];
    this.error = null;
    this.cancelled = false;
    try {
      // It would be ended with the one before.
      if (this.#ending) await this.#ending;
      if (mine !== this.#wanted) return;
      const report = await this.#ask();
      if (mine !== this.#wanted) return;
      this.report = report;
      this.at = Date.now();
    } catch (error) {
      if (mine !== this.#wanted) return;
      this.error = CallError.from(error);
      this.report = null;
    }
    this.begun = null;
  }

  /** Waits no longer. The engine ends it, with what it asks; where it cannot, the answer is not taken. */
  cancel(): void {
    this.#wanted += 1;
    this.begun = null;
    this.forget();
    this.cancelled = true;
    const ending = this.#end()
      .catch(() => undefined)
      .finally(() => {
        if (this.#ending === ending) this.#ending = null;
      });
    this.#ending = ending;
  }

  /** What was found is not so any more. A check that runs goes on. */
  forget(): void {
    this.report = null;
    this.error = null;
    this.cancelled = false;
  }
}

export class Checks {
  readonly #backend: Backend;
  readonly #known = new Map<string, Checking>();
  /** How each machine is reached. */
  #ways = new Map<MachineId, string>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** The engine says what a check has found so far. */
  tell(of: CheckOf, found: Check[]): void {
    this.of(of).found = found;
  }

  /** What was found at another address, or with another key, says nothing of a machine as it is now. */
  follow(machines: readonly Machine[]): void {
    const before = this.#ways;
    this.#ways = new Map(
      machines.map(({ id, address, identity }) => [id, JSON.stringify([address, identity])]),
    );
    for (const [id, way] of this.#ways) {
      if ((before.get(id) ?? way) !== way) this.of({ kind: 'machine', id }).forget();
    }
  }

  of({ kind, id }: CheckOf): Checking {
    const key = `${kind} ${id}`;
    const known =
      this.#known.get(key) ??
      new Checking(
        () =>
          kind === 'machine'
            ? this.#backend.call('machine.check', { machine: id })
            : this.#backend.call('sandbox.check', { channel: id }),
        () => this.#backend.call('check.cancel', { kind, id }),
      );
    this.#known.set(key, known);
    return known;
  }
}
