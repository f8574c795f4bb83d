/** One question being answered. What is typed is given away once, and then it is nowhere in the window any more. */
import { CallError, type Backend, type Question } from '$lib/api';

export class Reply {
  /** One for each thing that is asked. */
  answers = $state<string[]>([]);
  remember = $state(false);
  busy = $state(false);
  error = $state.raw<CallError | null>(null);

  readonly #backend: Backend;
  readonly #question: Question;

  constructor(backend: Backend, question: Question) {
    this.#backend = backend;
    this.#question = question;
    this.forget();
  }

  send(): Promise<void> {
    const { id, ask } = this.#question;
    // Any answer means that the key is trusted.
    const answers = ask.kind === 'host_key' ? ['yes'] : [...this.answers];
    const { remember } = this;
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
