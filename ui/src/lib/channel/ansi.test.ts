import { describe, expect, it } from 'vitest';
import { ansiRuns } from './ansi';

const text = (printed: string) =>
  ansiRuns(printed)
    .map((run) => run.text)
    .join('');

describe('ansiRuns', () => {
  it('keeps colours and weight', () => {
    expect(ansiRuns('a\x1b[1;31mb\x1b[22mc\x1b[0md')).toEqual([
      { text: 'a', color: null, bold: false },
      { text: 'b', color: 'red', bold: true },
      { text: 'c', color: 'red', bold: false },
      { text: 'd', color: null, bold: false },
    ]);
  });

  it('reads bright colours, and steps over those of large palettes', () => {
    expect(ansiRuns('\x1b[92mx')[0]?.color).toBe('green');
    expect(ansiRuns('\x1b[38;5;31mx')[0]?.color).toBeNull();
    expect(ansiRuns('\x1b[38;2;31;32;33;34mx')[0]?.color).toBe('blue');
  });

  it('drops what only a terminal can do', () => {
    expect(text('\x1b[2J\x1b[H\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1b[?25l!')).toBe(
      'link!',
    );
    expect(text('bell\x07 null\0')).toBe('bell null');
  });

  it('shows a redrawn line as it last stood', () => {
    expect(text('10%\r50%\r100%\ndone\r\n')).toBe('100%\ndone\n');
  });

  it('leaves plain text alone, tabs and all', () => {
    expect(text('a\tb\n<script>')).toBe('a\tb\n<script>');
  });

  it('writes out what would turn the reading order around', () => {
    expect(text('rm \u202Etxt.a')).toBe('rm \\u202Etxt.a');
  });

  // At these sizes, work that grows with the square of the input does not end.
  it('takes a hostile text in one pass', () => {
    const many = 500_000;
    expect(text(`${'\r'.repeat(many)}x`)).toBe('x');
    expect(text(`${'\r'.repeat(many)}\nx`)).toBe('\nx');
    expect(text(`a${'\r'.repeat(many)}`)).toBe('a');
    expect(text('\x1b]'.repeat(many)).length).toBeLessThan(many);
  });
});
