/** The end of a job's output, followed while somebody looks. */
import { CallError, type Backend, type ChannelId, type JobId } from '$lib/api';

const TAIL_BYTES = 32 * 1024;
const KEEP_CHARS = 256 * 1024;
const WAIT_MS = 20_000;

export class JobTail {
  text = $state('');
  /** Whether there is output before what is shown. */
  skipped = $state(false);
  error = $state.raw<CallError | null>(null);

  readonly #backend: Backend;
  readonly #channel: ChannelId;
  readonly #job: JobId;

  constructor(backend: Backend, channel: ChannelId, job: JobId) {
    this.#backend = backend;
    this.#channel = channel;
    this.#job = job;
  }

  /** Reads the end of what it printed, then what is added, until the job ends or the returned function is called. */
  follow(): () => void {
    const look = new AbortController();
    this.text = '';
    this.skipped = false;
    this.error = null;
    void this.#read(look.signal);
    return () => look.abort();
  }

  async #read(signal: AbortSignal): Promise<void> {
    let offset = -TAIL_BYTES;
    try {
      for (;;) {
        const first = offset < 0;
        const request = {
          channel: this.#channel,
          job: this.#job,
          offset,
          ...(!first && { wait_ms: WAIT_MS }),
        };
        const part = await this.#backend.call('job.output', request);
        if (signal.aborted) return;
        if (first) this.skipped = part.offset > 0;
        this.#add(part.text);
        offset = part.next_offset;
        if (part.job.status.state !== 'running' && offset >= part.size) return;
      }
    } catch (error) {
      if (!signal.aborted) this.error = CallError.from(error);
    }
  }

  #add(text: string): void {
    const all = this.text + text;
    if (all.length > KEEP_CHARS) this.skipped = true;
    this.text = all.slice(-KEEP_CHARS);
  }
}
