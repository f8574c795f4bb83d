import { describe, expect, it } from 'vitest';
import { bytes, count, day, duration, moment } from './format';

describe('duration', () => {
  it.each([
    [0.2, '0 ms'],
    [12, '12 ms'],
    [300, '0.3 s'],
    [1840, '1.8 s'],
    [41_200, '41 s'],
    [59_700, '1 min'],
    [125_000, '2 min 5 s'],
    [3_840_000, '1 h 4 min'],
    [7_200_000, '2 h'],
  ])('%d ms is %s', (ms, words) => {
    expect(duration(ms)).toBe(words);
  });
});

describe('bytes', () => {
  it.each([
    [0, '0 B'],
    [812, '812 B'],
    [1400, '1.4 KB'],
    [999_600, '1 MB'],
    [31_000_000, '31 MB'],
  ])('%d is %s', (n, words) => {
    expect(bytes(n)).toBe(words);
  });
});

describe('day', () => {
  const now = new Date(2026, 2, 3, 9).getTime();

  it('counts calendar days, not hours', () => {
    expect(day(new Date(2026, 2, 3, 0, 5).getTime(), now)).toBe('Today');
    expect(day(new Date(2026, 2, 2, 23, 55).getTime(), now)).toBe('Yesterday');
    expect(day(new Date(2026, 1, 27).getTime(), now)).toBe('Friday, February 27');
    expect(day(new Date(2025, 1, 27).getTime(), now)).toBe('February 27, 2025');
  });
});

describe('moment', () => {
  it('names the day where it is another one', () => {
    const now = new Date(2026, 2, 3, 9).getTime();
    expect(moment(new Date(2026, 2, 3, 8, 5).getTime(), now)).toBe('08:05');
    expect(moment(new Date(2026, 2, 2, 14, 2).getTime(), now)).toBe('yesterday, 14:02');
    expect(moment(new Date(2026, 1, 27, 14, 2).getTime(), now)).toBe('Friday, February 27, 14:02');
  });
});

describe('count', () => {
  it('knows one from many', () => {
    expect([count(1, 'job'), count(2, 'job'), count(2, 'entry', 'entries')]).toEqual([
      '1 job',
      '2 jobs',
      '2 entries',
    ]);
  });
});
