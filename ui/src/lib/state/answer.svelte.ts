/** What a command answers that is asked once, when a view opens. */
import { CallError } from '$lib/api';

export class Answer<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<CallError | null>(null);

  constructor(asked: Promise<T>) {
    asked.then(
      (value) => (this.value = value),
      (error: unknown) => (this.error = CallError.from(error)),
    );
  }
}
