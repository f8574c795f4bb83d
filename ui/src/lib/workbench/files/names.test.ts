import { describe, expect, it } from 'vitest';
import { copyName, nameHere, nameProblem, newPathProblem } from './names';

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

it('is the last part of a path of this computer', () => {
  const paths = [
    '/home/ada/a\\b.txt',
    '/home/ada/photos/',
    'C:\\Users\\ada\\x.txt',
    '\\\\nas\\share\\y',
    'C:/z',
  ];
  expect(paths.map(nameHere)).toEqual(['a\\b.txt', 'photos', 'x.txt', 'y', 'z']);
});
