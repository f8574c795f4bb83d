import { expect, it } from 'vitest';
import type { Connection } from '$lib/api';
import { channel } from '$lib/state/samples';
import { stateOf } from './states';

it('says of what runs how it is reached, and offers to try it again where it is not', () => {
  const on = (connection: Connection) => {
    const one = channel('a');
    const { word, action } = stateOf({ ...one, sandbox: { ...one.sandbox, connection } });
    return [word, action];
  };
  const lost = { state: 'reconnecting', attempt: 1, reason: '' } as const;
  expect(on({ state: 'connected' })).toEqual(['Running', 'sleep']);
  expect(on({ state: 'connecting' })).toEqual(['Connecting', 'sleep']);
  expect(on({ ...lost, refused: false })).toEqual(['Reconnecting', 'connect']);
  expect(on({ ...lost, refused: true })).toEqual(['Refused', 'connect']);
});
