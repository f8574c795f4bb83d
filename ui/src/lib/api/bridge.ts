/**
 * The backend in an ordinary browser: the engine's socket protocol over a WebSocket, one JSON object a message.
 * For development and browser tests; the app itself speaks Tauri's IPC.
 */
import {
  CallError,
  type Backend,
  type CommandName,
  type Listener,
  type Request,
  type Response,
  type Terminal,
  type TerminalHandlers,
  type Unsubscribe,
} from './backend';
import { fromBase64, toBase64 } from './base64';
import type { ChannelRef, Event, RpcError, Snapshot } from './generated';

type Incoming =
  | { id: number; ok: unknown }
  | { id: number; error: RpcError }
  | { event: Event }
  | { terminal: string; data: string }
  | { terminal: string; exit: number | null };

interface Waiting {
  resolve(value: unknown): void;
  reject(error: CallError): void;
}

const RETRY_MS = 1_000;

export class BridgeBackend implements Backend {
  readonly #url: string;
  #socket: Promise<WebSocket> | undefined;
  #lastId = 0;
  readonly #waiting = new Map<number, Waiting>();
  readonly #terminals = new Map<string, TerminalHandlers>();
  /** Output may come before the reply that says whose it is. */
  readonly #early = new Map<string, Incoming[]>();
  #listener: Listener | undefined;
  #subscribed = false;

  constructor(url: string) {
    this.#url = url;
  }

  call<K extends CommandName>(name: K, payload: Request<K>): Promise<Response<K>> {
    return this.#ask({ call: name, payload }) as Promise<Response<K>>;
  }

  listen(listener: Listener): Unsubscribe {
    this.#listener = listener;
    void this.#subscribe(listener);
    return () => {
      if (this.#listener === listener) this.#listener = undefined;
    };
  }

  async openTerminal(
    channel: ChannelRef,
    cols: number,
    rows: number,
    handlers: TerminalHandlers,
  ): Promise<Terminal> {
    const opened = (await this.#ask({ terminal: { open: { channel, cols, rows } } })) as { terminal: string };
    const terminal = opened.terminal;
    this.#terminals.set(terminal, handlers);
    for (const message of this.#early.get(terminal) ?? []) this.#receive(message);
    this.#early.delete(terminal);
    const send = (message: object) => void this.#send({ terminal, ...message }).catch(() => undefined);
    return {
      write: (data) => send({ write: toBase64(data) }),
      resize: (cols, rows) => send({ resize: [cols, rows] }),
      close: () => {
        this.#terminals.delete(terminal);
        send({ close: true });
      },
    };
  }

  openExternal(url: string): Promise<void> {
    window.open(url, '_blank', 'noopener');
    return Promise.resolve();
  }

  async #subscribe(listener: Listener): Promise<void> {
    while (this.#listener === listener) {
      try {
        const snapshot = (await this.#ask({ subscribe: true })) as Snapshot;
        this.#subscribed = true;
        listener.snapshot(snapshot);
        return;
      } catch (error) {
        if (this.#listener === listener) listener.lost(CallError.from(error));
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #ask(message: object): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send({ id, ...message }).catch((error: unknown) => {
        this.#waiting.delete(id);
        reject(CallError.from(error));
      });
    });
  }

  async #send(message: object): Promise<void> {
    (await this.#open()).send(JSON.stringify(message));
  }

  #open(): Promise<WebSocket> {
    this.#socket ??= new Promise((resolve, reject) => {
      const socket = new WebSocket(this.#url);
      socket.onopen = () => {
        socket.send(JSON.stringify({ hello: { author: { kind: 'person' } } }));
        resolve(socket);
      };
      socket.onmessage = ({ data }) => this.#receive(JSON.parse(String(data)) as Incoming);
      socket.onclose = () => {
        const error = new CallError({ code: 'failed', message: 'Berth’s engine cannot be reached.' });
        reject(error);
        this.#lost(error);
      };
    });
    return this.#socket;
  }

  #lost(error: CallError): void {
    this.#socket = undefined;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
    for (const handlers of this.#terminals.values()) handlers.exit(null);
    this.#terminals.clear();
    if (!this.#subscribed) return;
    this.#subscribed = false;
    const listener = this.#listener;
    listener?.lost(error);
    if (listener) setTimeout(() => void this.#subscribe(listener), RETRY_MS);
  }

  #receive(message: Incoming): void {
    if ('event' in message) {
      this.#listener?.event(message.event);
    } else if ('terminal' in message) {
      const handlers = this.#terminals.get(message.terminal);
      if (!handlers) {
        this.#early.set(message.terminal, [...(this.#early.get(message.terminal) ?? []), message]);
      } else if ('data' in message) {
        handlers.bytes(fromBase64(message.data));
      } else {
        this.#terminals.delete(message.terminal);
        handlers.exit(message.exit);
      }
    } else {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if ('error' in message) waiting?.reject(new CallError(message.error));
      else waiting?.resolve(message.ok);
    }
  }
}
