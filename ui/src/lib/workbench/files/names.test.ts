import { describe, expect, it } from 'vitest';
import { copyName, hasRawBytes, nameParts, nameProblem, newPathProblem, shown } from './names';

const raw = (byte: number) => String.fromCodePoint(0x10ff00 + byte);

describe('a name on screen', () => {
  it('stands as it is where it is ordinary', () => {
    expect(shown('Grüße 你好 🎉 e\u0301.txt')).toBe('Grüße 你好 🎉 e\u0301.txt');
    expect(nameParts('a b')).toEqual([{ text: 'a b', escaped: false }]);
  });

  it('writes out bytes that are no text', () => {
    expect(shown(`caf${raw(0xe9)}.txt`)).toBe('caf\\xE9.txt');
    expect(nameParts(`${raw(0x80)}${raw(0xff)}x`)).toEqual([
      { text: '\\x80', escaped: true },
      { text: '\\xFF', escaped: true },
      { text: 'x', escaped: false },
    ]);
    expect(hasRawBytes(`a${raw(0xff)}`)).toBe(true);
    expect(hasRawBytes('ä🎉')).toBe(false);
  });

  it('lets neither control characters nor marks of direction act', () => {
    expect(shown('a\nb\u001B[31m')).toBe('a\\nb\\x1B[31m');
    expect(shown('evil\u202Etxt.exe')).toBe('evil\\u202Etxt.exe');
    expect(shown('zero\u200Bwidth')).toBe('zero\\u200Bwidth');
  });
});

describe('a name to give', () => {
  it('may be nearly anything', () => {
    for (const name of ['a', ' ', '-rf', '...', '*', "it's", 'x'.repeat(255)])
      expect(nameProblem(name)).toBeNull();
  });

  it('is refused in words', () => {
    for (const name of ['', '.', '..', 'a/b', 'a\0', 'x'.repeat(256), 'ä'.repeat(128)]) {
      expect(nameProblem(name), name).toEqual(expect.any(String));
    }
  });

  it('may lead through folders where something new is made', () => {
    expect(newPathProblem('src/deep/new.ts')).toBeNull();
    for (const path of ['/etc/x', 'a//b', 'a/', '../x', 'a/../b'])
      expect(newPathProblem(path), path).not.toBeNull();
  });
});

describe('a copy', () => {
  it('is named beside its original', () => {
    const taken = new Set(['a copy.txt']);
    expect(copyName('b.txt', (name) => taken.has(name))).toBe('b copy.txt');
    expect(copyName('a.txt', (name) => taken.has(name))).toBe('a copy 2.txt');
    expect(copyName('.env', () => false)).toBe('.env copy');
    expect(copyName('Makefile', () => false)).toBe('Makefile copy');
  });
});
