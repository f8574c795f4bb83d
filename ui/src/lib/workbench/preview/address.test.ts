import { describe, expect, it } from 'vitest';
import { addressOf, goalOf, START, step, visit } from './address';

const BASE = 'http://shop-5173.localhost:4610/';

describe('what is typed into the path field', () => {
  it.each([
    ['/book', '/book'],
    ['book', '/book'],
    ['', '/'],
    ['?a=1', '/?a=1'],
    ['#top', '/#top'],
    ['a b', '/a%20b'],
    ['/x/../y', '/y'],
    ['http://localhost:5173/book?a#b', '/book?a#b'],
    ['localhost:5173/book', '/book'],
    ['http://127.0.0.1:5173', '/'],
    ['http://shop-5173.localhost:4610/deep', '/deep'],
    ['/a?next=http://elsewhere.example/', '/a?next=http://elsewhere.example/'],
  ])('%s leads to %s', (typed, path) => expect(goalOf(typed, BASE, 5173)).toEqual({ path }));

  it.each([
    'https://example.org/',
    'http://localhost:3000/',
    'localhost:3000',
    'javascript:alert(1)',
    'data:text/html,x',
  ])('%s leads nowhere', (typed) => expect(goalOf(typed, BASE, 5173)).toHaveProperty('problem'));

  it.each(['//evil.example/x', '/\\evil.example', '///evil.example', '\\\\evil.example', '/\t/evil.example'])(
    '%s does not leave the preview',
    (typed) => {
      const goal = goalOf(typed, BASE, 5173);
      if ('path' in goal) expect(new URL(addressOf(goal.path, BASE)).origin).toBe(new URL(BASE).origin);
    },
  );
});

describe('back and forward', () => {
  it('go over what was visited', () => {
    let visits = visit(visit(START, '/a'), '/b');
    visits = step(visits, -1);
    expect(visits.paths[visits.at]).toBe('/a');
    visits = step(step(visits, 1), 1);
    expect(visits.paths[visits.at]).toBe('/b');
    visits = visit(step(visits, -2), '/c');
    expect(visits).toEqual({ paths: ['/', '/c'], at: 1 });
    expect(visit(visits, '/c')).toEqual(visits);
  });
});
