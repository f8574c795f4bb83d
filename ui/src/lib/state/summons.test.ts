import { describe, expect, it } from 'vitest';
import { follows, type Occupation } from './summons';

const reading: Occupation = { shown: 'a', draft: '', form: 'none', asked: false, typing: false };

describe('who is asked to see a channel', () => {
  it.each<[string, string, Partial<Occupation>, boolean]>([
    ['goes there while nothing is being typed', 'b', {}, true],
    ['sees what is new where they are, even while typing', 'a', { draft: 'half a sen', typing: true }, true],
    ['stays while the keyboard is in a text', 'b', { typing: true }, false],
    ['stays with a message that was not sent', 'b', { draft: 'half a sen' }, false],
    ['stays with a dialog that is open', 'b', { asked: true }, false],
    [
      'stays with a dialog over an untouched form',
      'b',
      { shown: null, form: 'untouched', asked: true },
      false,
    ],
    ['leaves a form that was not touched', 'b', { shown: null, form: 'untouched', typing: true }, true],
    ['stays with a form that was begun', 'b', { shown: null, form: 'begun' }, false],
    ['leaves settings', 'b', { shown: null }, true],
  ])('%s', (_, channel, changes, expected) => {
    expect(follows(channel, { ...reading, ...changes })).toBe(expected);
  });
});
