import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { settle } from '$lib/state/testing';
import { snapshot } from '$lib/state/samples';
import { BridgeBackend } from './bridge';

type Message = Record<string, unknown>;

/** The other end of the wire, played by the test. */
class Socket {
  static last: Socket;
  readonly sent: Message[] = [];
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  onclose?: () => void;

  constructor(readonly url: string) {
    Socket.last = this;
    queueMicrotask(() => this.onopen?.());
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data) as Message);
  }

  say(message: Message): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The id of the last request. */
  get id(): number {
    return this.sent.at(-1)?.id as number;
  }
}

beforeEach(() => {
  vi.stubGlobal('WebSocket', Socket);
  vi.useFakeTimers();
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe('BridgeBackend', () => {
  it('says who it is, calls, and matches replies by id', async () => {
    const backend = new BridgeBackend('ws://x');
    const first = backend.call('channel.list', {});
    const second = backend.call('app.info', {});
    await settle();
    const [hello, one, two] = Socket.last.sent;
    expect(hello).toEqual({ hello: { author: { kind: 'person' } } });
    expect(one).toMatchObject({ call: 'channel.list', payload: {} });
    Socket.last.say({ id: two?.id, error: { code: 'failed', message: 'no', hint: 'wait' } });
    Socket.last.say({ id: one?.id, ok: { channels: [] } });
    expect(await first).toEqual({ channels: [] });
    await expect(second).rejects.toMatchObject({ name: 'CallError', code: 'failed', hint: 'wait' });
  });

  it('listens: the snapshot, then events', async () => {
    const listener = { snapshot: vi.fn(), event: vi.fn(), lost: vi.fn() };
    new BridgeBackend('ws://x').listen(listener);
    await settle();
    Socket.last.say({ id: Socket.last.id, ok: snapshot(5, []) });
    await settle();
    Socket.last.say({ event: { seq: 6 } });
    expect(listener.snapshot).toHaveBeenCalledWith(snapshot(5, []));
    expect(listener.event).toHaveBeenCalledWith({ seq: 6 });
  });

  it('rejects what waits when the wire breaks, and listens again by itself', async () => {
    const listener = { snapshot: vi.fn(), event: vi.fn(), lost: vi.fn() };
    const backend = new BridgeBackend('ws://x');
    backend.listen(listener);
    await settle();
    Socket.last.say({ id: Socket.last.id, ok: snapshot(5, []) });
    await settle();
    const waiting = backend.call('channel.list', {});
    const rejected = expect(waiting).rejects.toThrow('reached');
    await settle();
    const broken = Socket.last;
    broken.onclose?.();
    await rejected;
    expect(listener.lost).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1_100);
    expect(Socket.last).not.toBe(broken);
    Socket.last.say({ id: Socket.last.id, ok: snapshot(9, []) });
    await settle();
    expect(listener.snapshot).toHaveBeenLastCalledWith(snapshot(9, []));
  });

  it('carries a terminal’s bytes both ways, also those that come before it is open', async () => {
    const handlers = { bytes: vi.fn(), exit: vi.fn() };
    const opening = new BridgeBackend('ws://x').openTerminal('a', 80, 24, handlers);
    await settle();
    const socket = Socket.last;
    expect(socket.sent.at(-1)).toMatchObject({ terminal: { open: { channel: 'a', cols: 80, rows: 24 } } });
    socket.say({ terminal: 't', data: btoa('$ ') });
    socket.say({ id: socket.id, ok: { terminal: 't' } });
    const terminal = await opening;
    expect(handlers.bytes).toHaveBeenCalledWith(new Uint8Array([36, 32]));
    terminal.write(new Uint8Array([0, 255]));
    terminal.resize(100, 30);
    await settle();
    expect(socket.sent.slice(-2)).toEqual([
      { terminal: 't', write: btoa('\0\xff') },
      { terminal: 't', resize: [100, 30] },
    ]);
    socket.say({ terminal: 't', exit: 0 });
    expect(handlers.exit).toHaveBeenCalledWith(0);
  });
});
