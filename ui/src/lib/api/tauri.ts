/** The backend inside the app: Tauri's IPC. Nothing else imports `@tauri-apps/*`. */
import { Channel, invoke } from '@tauri-apps/api/core';
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
import type { ChannelRef, Event, Snapshot } from './generated';

/** The engine is told what a terminal's page took after so many bytes: far below the 1 MiB at which it waits. */
const ACK = 64 * 1024;

type Told = { snapshot: Snapshot } | { event: Event };
type TerminalOutput = ArrayBuffer | { exit: number | null };

export class TauriBackend implements Backend {
  call<K extends CommandName>(name: K, payload: Request<K>): Promise<Response<K>> {
    return ask<Response<K>>('rpc', { cmd: name, payload });
  }

  listen(listener: Listener): Unsubscribe {
    let wanted = true;
    const events = new Channel<Told>((told) => {
      if (!wanted) return;
      if ('snapshot' in told) listener.snapshot(told.snapshot);
      else listener.event(told.event);
    });
    ask('subscribe', { events }).catch((error: unknown) => {
      if (wanted) listener.lost(CallError.from(error));
    });
    return () => {
      wanted = false;
    };
  }

  async openTerminal(
    channel: ChannelRef,
    cols: number,
    rows: number,
    handlers: TerminalHandlers,
  ): Promise<Terminal> {
    // A call that fails means that the terminal ended, which `exit` tells by itself.
    const quietly = (done: Promise<unknown>) => void done.catch(() => undefined);
    let taken = 0;
    const take = (bytes: number, terminal: string) => {
      taken += bytes;
      if (taken < ACK) return;
      quietly(invoke('terminal_ack', { terminal, bytes: taken }));
      taken = 0;
    };
    const output = new Channel<TerminalOutput>((message) => {
      if (!(message instanceof ArrayBuffer)) return handlers.exit(message.exit);
      const shown = Promise.resolve(handlers.bytes(new Uint8Array(message)));
      quietly(shown.then(() => opened.then((terminal) => take(message.byteLength, terminal))));
    });
    const opened = ask<string>('terminal_open', { channel, cols, rows, output });
    const terminal = await opened;
    return {
      write: (data) => quietly(invoke('terminal_write', data, { headers: { terminal } })),
      resize: (cols, rows) => quietly(invoke('terminal_resize', { terminal, cols, rows })),
      close: () => quietly(invoke('terminal_close', { terminal })),
    };
  }

  openExternal(url: string): Promise<void> {
    return ask('open_external', { url });
  }
}

async function ask<T>(command: string, args: Record<string, unknown>): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (error) {
    throw CallError.from(error);
  }
}
