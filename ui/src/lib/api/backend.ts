/**
 * The one door from the window to the engine. Everything above it speaks the command table of `generated.ts`; the app's
 * side is `tauri.ts`, and tests stand in for it.
 */
import type { ChannelRef, Commands, ErrorCode, Event, RpcError, Snapshot } from './generated';

export type CommandName = keyof Commands;
export type Request<K extends CommandName> = Commands[K]['request'];
export type Response<K extends CommandName> = Commands[K]['response'];

/** A command that failed: what happened, what to do about it, and why. */
export class CallError extends Error implements RpcError {
  override readonly name = 'CallError';
  readonly code: ErrorCode;
  readonly hint?: string;
  readonly causes: string[];

  constructor(error: RpcError) {
    super(error.message);
    this.code = error.code;
    if (error.hint !== undefined) this.hint = error.hint;
    this.causes = error.causes ?? [];
  }

  /** Any thrown value as a `CallError`, so that a view has one shape to show. */
  static from(thrown: unknown): CallError {
    if (thrown instanceof CallError) return thrown;
    if (isRpcError(thrown)) return new CallError(thrown);
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new CallError({ code: 'failed', message });
  }
}

function isRpcError(value: unknown): value is RpcError {
  return typeof value === 'object' && value !== null && 'code' in value && 'message' in value;
}

/** What a listener is told. A snapshot replaces all that was known; it may come more than once. */
export interface Listener {
  snapshot(snapshot: Snapshot): void;
  event(event: Event): void;
  /** The engine cannot be heard any more. The backend tries again by itself; a snapshot ends this. */
  lost(reason: CallError): void;
}

/** Ends a subscription. */
export type Unsubscribe = () => void;

export interface TerminalHandlers {
  /** What was printed. While many of its promises are open, the programs in the terminal wait. */
  bytes(data: Uint8Array): void | Promise<void>;
  /** The shell ended, or the connection did (`null`). Nothing follows. */
  exit(code: number | null): void;
}

/** An open terminal. */
export interface Terminal {
  /** Types into it; settled when it has arrived. Of two that are under way at once either may arrive first. */
  write(data: Uint8Array): Promise<void>;
  resize(cols: number, rows: number): void;
  close(): void;
}

/** Files and folders dragged from the desktop over the window; the place is in CSS pixels. */
export interface DragListener {
  over(x: number, y: number): void;
  drop(x: number, y: number, paths: string[]): void;
  leave(): void;
}

/** What a person is asked to choose on this computer. */
export interface Wanted {
  what: 'files' | 'file' | 'folder';
  /** What it is for, at the top of the system's dialog. */
  title: string;
}

export interface Backend {
  /** Calls a command; rejects with a `CallError`. */
  call<K extends CommandName>(name: K, request: Request<K>): Promise<Response<K>>;
  /** Listens from a fresh snapshot on. After a gap in `seq`, unsubscribe and listen anew. */
  listen(listener: Listener): Unsubscribe;
  openTerminal(
    channel: ChannelRef,
    cols: number,
    rows: number,
    handlers: TerminalHandlers,
  ): Promise<Terminal>;
  /** Opens an address in the system's browser. */
  openExternal(url: string): Promise<void>;
  /** Shows the system's dialog; absolute paths, or none where nothing was chosen. */
  choose(wanted: Wanted): Promise<string[]>;
  /** Hears of what is dragged from the desktop: the browser's own events tell no paths. */
  drags(listener: DragListener): Unsubscribe;
}
