import { describe, expect, it } from 'vitest';
import { hasRawBytes, nameParts, shown, shownLines } from './shown';

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

describe('text of several lines on screen', () => {
  it('keeps its lines and tabs, and nothing else that acts', () => {
    expect(shownLines('a\n\tb \u202Ec\u0007')).toBe('a\n\tb \\u202Ec\\x07');
    expect(shownLines('\\n')).toBe('\\n');
  });
});
