import { describe, expect, it } from 'vitest';
import { localAddress, portFrom, portProblem, remotePlace } from './ports';

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

  it('tells the sandbox itself from this computer, and from what it reaches', () => {
    for (const host of ['localhost', '127.0.0.1', '::1'])
      expect(remotePlace({ host, port: 5432 })).toBe('port 5432 of the sandbox');
    expect(remotePlace({ host: 'db.internal', port: 8080 })).toBe('db.internal:8080');
    expect(remotePlace({ host: '127.0.0.1.example', port: 1 })).toBe('127.0.0.1.example:1');
  });
});
