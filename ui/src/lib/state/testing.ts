/** For tests: a backend that answers from a table of functions and remembers what it was asked. */
import {
  CallError,
  type Backend,
  type CommandName,
  type Listener,
  type Request,
  type Response,
} from '$lib/api';

export type Answers = {
  [K in CommandName]?: (request: Request<K>) => Response<K> | Promise<Response<K>>;
};

export class FakeBackend implements Backend {
  readonly calls: { name: CommandName; request: unknown }[] = [];
  listener: Listener | undefined;
  listens = 0;
  answers: Answers;

  constructor(answers: Answers = {}) {
    this.answers = answers;
  }

  async call<K extends CommandName>(name: K, request: Request<K>): Promise<Response<K>> {
    this.calls.push({ name, request });
    const answer = this.answers[name] as ((request: Request<K>) => Promise<Response<K>>) | undefined;
    if (!answer) throw new CallError({ code: 'bad_request', message: `no answer to ${name}` });
    return await answer(request);
  }

  listen(listener: Listener): () => void {
    this.listener = listener;
    this.listens += 1;
    return () => {
      if (this.listener === listener) this.listener = undefined;
    };
  }

  openTerminal(): Promise<never> {
    return Promise.reject(new Error('no terminals here'));
  }

  openExternal(): Promise<void> {
    return Promise.resolve();
  }

  choose(): Promise<string[]> {
    return Promise.resolve([]);
  }

  drags(): () => void {
    return () => undefined;
  }
}

/** Lets promises that are settled run what waits for them. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
