import { describe, expect, it } from 'vitest';
import { freshName, gitUrlProblem, nameFrom, nameFromGitUrl, nameProblem } from './names';

describe('freshName', () => {
  it('is valid and not taken', () => {
    const first = freshName([], () => 0);
    const second = freshName([first], () => 0);
    const third = freshName([first, second], () => 0);
    expect(new Set([first, second, third]).size).toBe(3);
    for (const name of [first, second, third]) expect(nameProblem(name, [])).toBeNull();
  });
});

describe('nameFrom', () => {
  it.each([
    ['My App!', 'my-app-'],
    ['Ünïcode', 'unicode'],
    ['--a', 'a'],
    ['a__b', 'a-b'],
    ['x'.repeat(60), 'x'.repeat(40)],
  ])('makes %s into %s', (typed, name) => {
    expect(nameFrom(typed)).toBe(name);
  });
});

describe('nameProblem', () => {
  it('says what is wrong', () => {
    expect(nameProblem('', [])).toMatch(/name/);
    expect(nameProblem('-', [])).toMatch(/name/);
    expect(nameProblem('a-', [])).toMatch(/ends/);
    expect(nameProblem('a', ['a'])).toMatch(/already/);
    expect(nameProblem('a-1', ['a'])).toBeNull();
  });
});

describe('gitUrlProblem', () => {
  it.each(['https://github.com/a/b.git', 'ssh://git@host/a', 'git@github.com:a/b.git', ' https://host/a '])(
    'takes %s',
    (url) => {
      expect(gitUrlProblem(url)).toBeNull();
    },
  );

  it.each(['', 'github.com/a/b', 'https://github.com', 'file:///etc', '--upload-pack=x', '/home/me/repo'])(
    'refuses %s',
    (url) => {
      expect(gitUrlProblem(url)).not.toBeNull();
    },
  );
});

describe('nameFromGitUrl', () => {
  it.each([
    ['https://github.com/owner/My_Repo.git', 'my-repo'],
    ['git@host:name.git', 'name'],
    ['https://host/a/', 'a'],
  ])('names %s %s', (url, name) => {
    expect(nameFromGitUrl(url)).toBe(name);
  });
});
