import { describe, expect, it } from 'vitest';
import { InputHistory } from './history';

describe('InputHistory', () => {
  it('goes back, stops at the oldest, and returns to the draft', () => {
    const history = new InputHistory();
    history.push('one');
    history.push('two');
    expect(history.older('draft')).toBe('two');
    expect(history.older('two')).toBe('one');
    expect(history.older('one')).toBeNull();
    expect(history.newer()).toBe('two');
    expect(history.newer()).toBe('draft');
    expect(history.newer()).toBeNull();
  });

  it('keeps a line sent twice once, and begins at the end again after sending', () => {
    const history = new InputHistory();
    history.push('one');
    history.push('two');
    history.push('two');
    history.older('');
    history.push('three');
    expect(history.older('')).toBe('three');
    expect(history.older('')).toBe('two');
    expect(history.older('')).toBe('one');
  });

  it('has nothing to give when nothing was sent', () => {
    expect(new InputHistory().older('x')).toBeNull();
  });
});
