import { describe, expect, it } from 'vitest';
import { foldersBetween, isWithin, join, moved, nameOf, namesFrom, parentOf } from './paths';

describe('paths', () => {
  it('are taken apart and put together', () => {
    expect(join('/home/dev', 'a')).toBe('/home/dev/a');
    expect(join('/', 'a')).toBe('/a');
    expect(parentOf('/home/dev')).toBe('/home');
    expect(parentOf('/home')).toBe('/');
    expect(parentOf('/')).toBe('/');
    expect(nameOf('/home/dev/a b')).toBe('a b');
  });

  it('know what is below what', () => {
    expect(isWithin('/a/b', '/a')).toBe(true);
    expect(isWithin('/a', '/a')).toBe(true);
    expect(isWithin('/ab', '/a')).toBe(false);
    expect(isWithin('/x', '/')).toBe(true);
  });

  it('are told from a folder on', () => {
    expect(namesFrom('/home/dev/work', '/home/dev/work/src/a.ts')).toEqual(['src', 'a.ts']);
    expect(namesFrom('/home/dev/work', '/etc/hosts')).toEqual(['/', 'etc', 'hosts']);
    expect(foldersBetween('/w', '/w/a/b/c.ts')).toEqual(['/w/a', '/w/a/b']);
    expect(foldersBetween('/w', '/w/c.ts')).toEqual([]);
    expect(foldersBetween('/w', '/etc/hosts')).toEqual([]);
  });

  it('follow a move', () => {
    expect(moved('/w/a/x', '/w/a', '/w/b')).toBe('/w/b/x');
    expect(moved('/w/ab', '/w/a', '/w/b')).toBeNull();
  });
});
