import { describe, expect, it } from 'vitest';
import { localAddress, portFrom, portProblem } from './ports';

describe('ports', () => {
  it('takes numbers that are ports', () => {
    expect(portFrom(' 5432 ')).toBe(5432);
    for (const typed of ['', '0', '65536', '80a', '-1', '1e3', '999999']) expect(portFrom(typed)).toBeNull();
  });

  it('asks for one only where it is needed', () => {
    expect(portProblem('', false)).toBeNull();
    expect(portProblem('', true)).not.toBeNull();
    expect(portProblem('x', false)).not.toBeNull();
    expect(portProblem('8080', true)).toBeNull();
  });

  it('tells where to go', () => expect(localAddress({ local_port: 15432 })).toBe('localhost:15432'));
});
