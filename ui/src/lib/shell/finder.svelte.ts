/** Finds files of a channel by a part of their name, as it is typed. */
import { CallError, type Backend, type ChannelId } from '$lib/api';

const PAUSE_MS = 150;
const LIMIT = 30;

export class FileFinder {
  paths = $state.raw<string[]>([]);
  busy = $state(false);
  error = $state.raw<CallError | null>(null);

  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Looks after a short pause; the returned function gives up. */
  find(channel: ChannelId, query: string): () => void {
    this.error = null;
    // What was found for other words would be taken for an answer to these.
    this.paths = this.paths.filter((path) => path.toLowerCase().includes(query.toLowerCase()));
    if (query.length < 2) {
      this.paths = [];
      return () => undefined;
    }
    const look = new AbortController();
    const timer = setTimeout(() => void this.#look(channel, query, look.signal), PAUSE_MS);
    return () => {
      clearTimeout(timer);
      look.abort();
      this.busy = false;
    };
  }

  async #look(channel: ChannelId, query: string, signal: AbortSignal): Promise<void> {
    this.busy = true;
    try {
      const pattern = `**/*${anyCase(query)}*`;
      const { paths } = await this.#backend.call('action.glob', { channel, pattern, limit: LIMIT });
      if (!signal.aborted) this.paths = paths;
    } catch (error) {
      if (!signal.aborted) this.error = CallError.from(error);
    } finally {
      if (!signal.aborted) this.busy = false;
    }
  }
}

/** Letters as `[aA]`, so that a glob ignores their case; what a glob would interpret, as itself. */
export function anyCase(text: string): string {
  return text.replace(/./gsu, (char) => {
    if ('*?[]{}\\!'.includes(char)) return `[${char === ']' ? '\\]' : char}]`;
    const [lower, upper] = [char.toLowerCase(), char.toUpperCase()];
    return lower === upper ? char : `[${lower}${upper}]`;
  });
}
