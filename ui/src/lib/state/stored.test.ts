import { beforeEach, describe, expect, it, vi } from 'vitest';
import { forgetOthers, store, stored } from './stored';

beforeEach(() => {
  const items = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    get length() {
      return items.size;
    },
    key: (at: number) => [...items.keys()][at] ?? null,
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => {
      if (value.length > 100) throw new Error('full');
      items.set(key, value);
    },
    removeItem: (key: string) => items.delete(key),
  });
});

describe('what is stored', () => {
  it('is read back', () => {
    store('k', { a: 1 });
    expect(stored('k')).toEqual({ a: 1 });
  });

  it.each(['{', 'null', '[1]', '"text"'])('is nothing where it is damaged: %s', (text) => {
    localStorage.setItem('k', text);
    expect(stored('k')).toEqual({});
  });

  it('is left as it was where there is no room', () => {
    store('k', { a: 1 });
    store('k', { a: 'x'.repeat(200) });
    expect(stored('k')).toEqual({ a: 1 });
  });

  it('goes with what it was for', () => {
    for (const key of ['p.a', 'p.b', 'q.c']) store(key, { key });
    forgetOthers('p.', ['b']);
    expect([stored('p.a'), stored('p.b'), stored('q.c')]).toEqual([{}, { key: 'p.b' }, { key: 'q.c' }]);
  });
});
