import { expect, it, vi } from 'vitest';
import { Outbox } from './outbox';

it('sends what comes at once together, and the next when the one before has arrived', async () => {
  let arrive: (() => void)[] = [];
  const send = vi.fn<(bytes: Uint8Array) => Promise<void>>(() => new Promise((done) => arrive.push(done)));
  const outbox = new Outbox(send);
  const settled = () => new Promise((done) => setTimeout(done));
  outbox.put(Uint8Array.of(1, 2));
  outbox.put(Uint8Array.of(3));
  await settled();
  outbox.put(Uint8Array.of(4));
  await settled();
  outbox.put(Uint8Array.of(5));
  await settled();
  expect(send.mock.calls).toEqual([[Uint8Array.of(1, 2, 3)]]);
  arrive.forEach((done) => done());
  await settled();
  expect(send.mock.calls.slice(1)).toEqual([[Uint8Array.of(4, 5)]]);
  arrive.forEach((done) => done());
  arrive = [];
  await settled();
  outbox.put(Uint8Array.of(6));
  await settled();
  expect(send.mock.calls.slice(2)).toEqual([[Uint8Array.of(6)]]);
});
