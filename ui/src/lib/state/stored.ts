/** What this window keeps in the browser's storage. Somebody may have damaged it, or it may be full: then it is as if empty. */

/** A record as far as it can be read. */
export function stored<T extends object>(key: string): Partial<T> {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(key) ?? '{}');
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

export function store(key: string, value: object): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // It is remembered until the window closes, and that is all.
  }
}

/** Removes what begins with `prefix` and does not go on with one of `kept`. */
export function forgetOthers(prefix: string, kept: readonly string[]): void {
  const keys = Array.from({ length: localStorage.length }, (_, at) => localStorage.key(at) ?? '');
  for (const key of keys) {
    if (key.startsWith(prefix) && !kept.includes(key.slice(prefix.length))) localStorage.removeItem(key);
  }
}
