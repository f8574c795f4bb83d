/** Addresses within one preview: always the same origin, whatever is typed. */

/** Where an address leads, or why it leads nowhere here. */
type Goal = { path: string } | { problem: string };

/** What somebody typed, as a path of the preview at `base`. */
export function goalOf(typed: string, base: string, port: number): Goal {
  const text = typed.trim();
  if (!/^[a-z][a-z0-9+.-]*:/i.test(text) || isHostAndPort(text)) {
    if (isHostAndPort(text)) return goalOf(`http://${text}`, base, port);
    return inside(text.startsWith('/') || /^[?#]/.test(text) ? text : `/${text}`, base);
  }
  try {
    const url = new URL(text);
    const own =
      url.origin === new URL(base).origin || (isLoopback(url.hostname) && url.port === String(port));
    if (own) return inside(url.pathname + url.search + url.hash, base);
    return { problem: `Only pages of port ${port} are shown here.` };
  } catch {
    return { problem: 'That is no address.' };
  }
}

/** The whole address of a path. */
export function addressOf(path: string, base: string): string {
  return new URL(path.replace(/^\/{2,}/, '/'), base).href;
}

function inside(path: string, base: string): Goal {
  const url = new URL(addressOf(path, base));
  return { path: url.pathname + url.search + url.hash };
}

function isHostAndPort(text: string): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0):\d+/i.test(text);
}

function isLoopback(host: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]', '0.0.0.0', '[::]'].includes(host);
}

/** The pages visited by the path field, back and forth. */
export interface Visits {
  paths: readonly string[];
  at: number;
}

export const START: Visits = { paths: ['/'], at: 0 };

/** After going to a path: what lay ahead is forgotten. */
export function visit({ paths, at }: Visits, path: string): Visits {
  if (paths[at] === path) return { paths, at };
  return { paths: [...paths.slice(0, at + 1), path], at: at + 1 };
}

export function step(visits: Visits, by: number): Visits {
  return { ...visits, at: Math.max(0, Math.min(visits.paths.length - 1, visits.at + by)) };
}
