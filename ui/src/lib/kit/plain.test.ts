import { describe, expect, it } from 'vitest';
import { plain, plainLine } from './plain';

describe('plain', () => {
  it('leaves words and line ends', () => {
    expect(plain('Welcome.\r\nCode for ada:\n')).toBe('Welcome.\nCode for ada:');
    expect(plain('Grüße, 你好 🎉')).toBe('Grüße, 你好 🎉');
  });

  it('takes out what a terminal or a reader would obey', () => {
    expect(plain('\u001B[31mred\u001B[0m \u001B]0;owned\u0007title')).toBe('red title');
    expect(plain('a\u0000b\u0008c\u202Etxt.exe\u200B')).toBe('abctxt.exe');
    expect(plain('\u001B[2Jgone')).toBe('gone');
  });

  it('cuts what nobody would read', () => {
    expect(plain('x'.repeat(10_000))).toHaveLength(4_001);
    expect(plainLine('a\n\n  b\tc')).toBe('a b c');
    expect(plainLine('y'.repeat(1000), 10)).toBe('yyyyyyyyyy…');
  });
});
