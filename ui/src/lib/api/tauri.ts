/** The backend inside the app: Tauri's IPC. Nothing else imports `@tauri-apps/*`. */
import { Channel, invoke } from '@tauri-apps/api/core';
import { getCurrentWebview } from '@tauri-apps/api/webview';
import { open } from '@tauri-apps/plugin-dialog';
import {
  CallError,
  type Backend,
  type CommandName,
  type DragListener,
  type Listener,
  type Request,
  type Response,
  type Terminal,
  type TerminalHandlers,
  type Unsubscribe,
  type Wanted,
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
    let drawn = false;
    const events = new Channel<Told>((told) => {
      if (!wanted) return;
      if ('event' in told) return listener.event(told.event);
      listener.snapshot(told.snapshot);
      if (!drawn) {
        drawn = true;
        // The first frame is being drawn when this is called, and stands when that is.
        requestAnimationFrame(() => requestAnimationFrame(() => void ask('page_ready', {})));
      }
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
    const quietly = (done: Promise<unknown>): Promise<void> =>
      done.then(
        () => undefined,
        () => undefined,
      );
    let taken = 0;
    const take = (bytes: number, terminal: string) => {
      taken += bytes;
      if (taken < ACK) return;
      void quietly(invoke('terminal_ack', { terminal, bytes: taken }));
      taken = 0;
    };
    const output = new Channel<TerminalOutput>((message) => {
      if (!(message instanceof ArrayBuffer)) return handlers.exit(message.exit);
      const shown = Promise.resolve(handlers.bytes(new Uint8Array(message)));
      void quietly(shown.then(() => opened.then((terminal) => take(message.byteLength, terminal))));
    });
    const opened = ask<string>('terminal_open', { channel, cols, rows, output });
    const terminal = await opened;
    return {
      write: (data) => quietly(invoke('terminal_write', data, { headers: { terminal } })),
      resize: (cols, rows) => void quietly(invoke('terminal_resize', { terminal, cols, rows })),
      close: () => void quietly(invoke('terminal_close', { terminal })),
    };
  }

  openExternal(url: string): Promise<void> {
    return ask('open_external', { url });
  }

  async choose({ what, title }: Wanted): Promise<string[]> {
    try {
      const chosen = await open({ title, multiple: what === 'files', directory: what === 'folder' });
      return [chosen ?? []].flat();
    } catch (error) {
      throw CallError.from(error);
    }
  }

  drags(listener: DragListener): Unsubscribe {
    // Where the window takes no drops, the dialogs are the way in.
    const listening = getCurrentWebview()
      .onDragDropEvent(({ payload }) => {
        if (payload.type === 'leave') return listener.leave();
        const scale = dragScale();
        const [x, y] = [payload.position.x / scale, payload.position.y / scale];
        if (payload.type !== 'drop') return listener.over(x, y);
        // A link that was dropped is no file of this computer.
        const files = payload.paths.filter((path) => /^(\/|\\\\|[A-Za-z]:[\\/])/.test(path));
        if (files.length > 0) listener.drop(x, y, files);
        else listener.leave();
      })
      .catch(() => () => undefined);
    return () => void listening.then((end) => end());
  }
}

/** Tauri calls the place of a drag physical, but only on Windows are these the screen's own pixels. */
function dragScale(): number {
  return navigator.userAgent.includes('Windows') ? devicePixelRatio : 1;
}

async function ask<T>(command: string, args: Record<string, unknown>): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (error) {
    throw CallError.from(error);
  }
}
