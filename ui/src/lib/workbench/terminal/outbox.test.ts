import { expect, it, vi } from 'vitest';
import { Outbox } from './outbox';

it('sends what comes at once together, and in order', async () => {
  const send = vi.fn<(bytes: Uint8Array) => void>();
  const outbox = new Outbox(send);
  outbox.put(Uint8Array.of(1, 2));
  outbox.put(Uint8Array.of(3));
  await Promise.resolve();
  outbox.put(Uint8Array.of(4));
  await Promise.resolve();
  expect(send.mock.calls).toEqual([[Uint8Array.of(1, 2, 3)], [Uint8Array.of(4)]]);
});
