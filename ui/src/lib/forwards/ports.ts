/** Ports as a person types them. */
import type { Forward } from '$lib/api';
import { shown } from '$lib/kit/shown';

/** A typed port; `null` where it is none. */
export function portFrom(typed: string): number | null {
  const text = typed.trim();
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : null;
}

/** What is wrong with a typed port; nothing while it may be left out and is. */
export function portProblem(typed: string, needed: boolean): string | null {
  if (typed.trim() === '' && !needed) return null;
  return portFrom(typed) === null ? 'A port is a number from 1 to 65535.' : null;
}

/** Where a forward is reached on this computer. */
export function localAddress({ local_port }: Pick<Forward, 'local_port'>): string {
  return `localhost:${local_port}`;
}

/** Where it leads. To the sandbox "localhost" is itself; beside an address on this computer it would read as this one. */
export function remotePlace({ host, port }: Pick<Forward, 'host' | 'port'>): string {
  const itself = /^(localhost|127(\.\d+){3}|::1|\[::1\])$/i.test(host);
  return itself ? `port ${port} of the sandbox` : `${shown(host)}:${port}`;
}
