/** One question being answered. What is typed is given away once, and then it is nowhere in the window any more. */
import { CallError, type Backend, type Question } from '$lib/api';

/** What was to be remembered, and turned out to be wrong: it is asked for again, and the wish still stands. */
export class Wishes {
  readonly #known = new Set<string>();

  has(question: Question): boolean {
    const { ask } = question;
    return 'again' in ask && ask.again && this.#known.has(subjectOf(question));
  }

  note(question: Question, remember: boolean): void {
    if (remember) this.#known.add(subjectOf(question));
    else this.#known.delete(subjectOf(question));
  }
}

/** What is asked for, whether for the first time or again. */
function subjectOf({ machine, ask }: Question): string {
  return JSON.stringify([machine, { ...ask, again: false }]);
}

export class Reply {
  /** One for each thing that is asked. */
  answers = $state<string[]>([]);
  remember = $state(false);
  busy = $state(false);
  error = $state.raw<CallError | null>(null);

  readonly #backend: Backend;
  readonly #question: Question;
  readonly #wishes: Wishes;

  constructor(backend: Backend, question: Question, wishes: Wishes) {
    this.#backend = backend;
    this.#question = question;
    this.#wishes = wishes;
    this.remember = wishes.has(question);
    this.forget();
  }

  /** Whether there is nothing to send yet: each secret has to be there, of a machine's prompts any. */
  get empty(): boolean {
    const typed = this.answers.filter((answer) => answer !== '').length;
    if (this.#question.ask.kind === 'prompts') return this.answers.length > 0 && typed === 0;
    return typed < this.answers.length;
  }

  send(): Promise<void> {
    const { id, ask } = this.#question;
    // Any answer means that the key is trusted.
    const answers = ask.kind === 'host_key' ? ['yes'] : [...this.answers];
    const { remember } = this;
    this.#wishes.note(this.#question, remember);
    this.forget();
    return this.#tell(this.#backend.call('question.answer', { question: id, answers, remember }));
  }

  refuse(): Promise<void> {
    this.forget();
    return this.#tell(this.#backend.call('question.refuse', { question: this.#question.id }));
  }

  forget(): void {
    const { ask } = this.#question;
    const asked = ask.kind === 'prompts' ? ask.prompts.length : ask.kind === 'host_key' ? 0 : 1;
    this.answers = Array.from({ length: asked }, () => '');
  }

  /** The question goes when the engine says so; until then nothing else can be answered here. */
  async #tell(told: Promise<unknown>): Promise<void> {
    this.busy = true;
    this.error = null;
    try {
      await told;
    } catch (error) {
      this.error = CallError.from(error);
      this.busy = false;
    }
  }
}
