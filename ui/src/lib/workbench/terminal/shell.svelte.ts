/**
 * One channel's shell on screen: xterm, and the terminal in the sandbox that it shows. What a program prints is
 * hostile; beyond text and colour it can do nothing: no clipboard, no window title, no link that is not of the web.
 */
import { FitAddon } from '@xterm/addon-fit';
import { Terminal as Screen } from '@xterm/xterm';
import { type Backend, CallError, type ChannelId, type Terminal } from '$lib/api';
import { copyText } from '$lib/kit/copy';
import { isMac } from '$lib/kit/keys';
import { onSchemeChange, themeOf } from './colours';
import { AddressLinks, safeAddress } from './links';
import { Outbox } from './outbox';

type Status =
  | { state: 'opening' }
  | { state: 'open' }
  | { state: 'ended'; code: number | null }
  | { state: 'failed'; error: CallError };

const SCROLLBACK = 5_000;
/** Commands of the operating system that a program may ask of a terminal, and gets from none here. */
const REFUSED_OSC = [0, 1, 2, 9, 52, 99, 777, 1337];

export class Shell {
  status = $state.raw<Status>({ state: 'opening' });
  /** What a click opens where the pointer is; what stands there may look like another address. */
  hovered = $state<string | null>(null);
  /** Whether something was ever shown, so that a shell that ended can still be read. */
  used = $state(false);
  /** Why an address could not be opened. */
  problem = $state.raw<CallError | null>(null);

  readonly #backend: Backend;
  readonly #channel: ChannelId;
  /** What the screen is drawn in. It moves from one panel to the next, and keeps what stands on it. */
  readonly #element = document.createElement('div');
  readonly #screen: Screen;
  readonly #fit = new FitAddon();
  readonly #outbox = new Outbox(async (bytes) => this.#terminal?.write(bytes));
  readonly #endings: (() => void)[] = [];
  #terminal: Terminal | null = null;
  /** Counts the shells, so that what a former one still says is not taken for the present one's. */
  #life = 0;
  /** When the sandbox began to run in which the shell was started. */
  #since: number | null = null;

  /** It is first drawn in `host`: what is in no document has no size and no colours. */
  constructor(backend: Backend, channel: ChannelId, host: HTMLElement, readAloud: boolean) {
    this.#backend = backend;
    this.#channel = channel;
    const element = this.#element;
    element.className = 'shell';
    host.append(element);
    const open = (event: MouseEvent, address: string) => this.#follow(event, address);
    const hover = (address: string | null) => (this.hovered = address && safeAddress(address));
    this.#screen = new Screen({
      fontFamily: getComputedStyle(element).getPropertyValue('--font-mono'),
      fontSize: 0.78125 * parseFloat(getComputedStyle(document.documentElement).fontSize),
      lineHeight: 1.3,
      scrollback: SCROLLBACK,
      minimumContrastRatio: 4.5,
      cursorBlink: false,
      cursorStyle: 'bar',
      cursorInactiveStyle: 'outline',
      macOptionIsMeta: true,
      screenReaderMode: readAloud,
      theme: themeOf(element),
      linkHandler: {
        activate: open,
        hover: (_, address) => hover(address),
        leave: () => hover(null),
      },
    });
    this.#screen.loadAddon(this.#fit);
    for (const code of REFUSED_OSC) this.#screen.parser.registerOscHandler(code, () => true);
    this.#screen.registerLinkProvider(new AddressLinks(this.#screen, open, hover));
    this.#screen.attachCustomKeyEventHandler((event) => this.#key(event));
    this.#screen.onData((text) => this.#outbox.put(new TextEncoder().encode(text)));
    this.#screen.onBinary((text) => this.#outbox.put(Uint8Array.from(text, (char) => char.charCodeAt(0))));
    this.#screen.onResize(({ cols, rows }) => this.#terminal?.resize(cols, rows));
    this.#screen.open(element);
    const watch = new ResizeObserver(() => this.fit());
    watch.observe(element);
    this.#endings.push(
      () => watch.disconnect(),
      onSchemeChange(() => this.#paint()),
    );
  }

  /** Shows it in a panel, until that goes. */
  attach(host: HTMLElement): () => void {
    if (this.#element.parentElement !== host) host.append(this.#element);
    this.#paint();
    this.fit();
    return () => {
      if (this.#element.parentElement === host) this.#element.remove();
    };
  }

  /**
   * Tells since when the sandbox runs, `null` while it does not. After a sleep a new shell begins by itself where the old
   * one was, also when nobody looked meanwhile.
   */
  follow(since: number | null): void {
    if (since === null || since === this.#since) return;
    this.#since = since;
    if (this.status.state !== 'open') void this.start();
  }

  /** Starts a shell in the sandbox. */
  async start(): Promise<void> {
    this.#life += 1;
    const life = this.#life;
    const now = (act: () => void) => {
      if (life === this.#life) act();
    };
    this.#terminal?.close();
    this.#terminal = null;
    this.status = { state: 'opening' };
    this.fit();
    let endedEarly = false as boolean;
    try {
      const { cols, rows } = this.#screen;
      const terminal = await this.#backend.openTerminal(this.#channel, cols, rows, {
        bytes: (data) =>
          new Promise((shown) => (life === this.#life ? this.#screen.write(data, shown) : shown())),
        exit: (code) => {
          endedEarly = true;
          now(() => this.#ended(code));
        },
      });
      if (life !== this.#life) return terminal.close();
      if (endedEarly) return;
      this.#terminal = terminal;
      this.used = true;
      this.status = { state: 'open' };
      if (cols !== this.#screen.cols || rows !== this.#screen.rows)
        terminal.resize(this.#screen.cols, this.#screen.rows);
    } catch (error) {
      now(() => (this.status = { state: 'failed', error: CallError.from(error) }));
    }
  }

  /** Waits no longer for a shell that is being started; one that comes all the same is closed. */
  giveUp(): void {
    this.#life += 1;
    const error = new CallError({ code: 'cancelled', message: 'It was given up.' });
    this.status = { state: 'failed', error };
  }

  /** Another shell after one that ended, on a clean screen. */
  async startAnother(): Promise<void> {
    this.#screen.reset();
    await this.start();
    this.focus();
  }

  focus(): void {
    this.#screen.focus();
  }

  clear(): void {
    this.#screen.clear();
    this.focus();
  }

  readAloud(on: boolean): void {
    this.#screen.options.screenReaderMode = on;
  }

  /** As many columns and rows as there is room for; hidden, it stays as it was. */
  fit(): void {
    const { clientWidth, clientHeight } = this.#screen.element?.parentElement ?? {
      clientWidth: 0,
      clientHeight: 0,
    };
    if (clientWidth > 40 && clientHeight > 20) this.#fit.fit();
  }

  end(): void {
    this.#life += 1;
    this.#terminal?.close();
    for (const end of this.#endings) end();
    this.#screen.dispose();
    this.#element.remove();
  }

  /** The colours of the theme; what is in no panel has them when it comes back. */
  #paint(): void {
    if (this.#element.isConnected) this.#screen.options.theme = themeOf(this.#element);
  }

  #ended(code: number | null): void {
    this.#terminal = null;
    this.status = { state: 'ended', code };
  }

  /** Opens an address in the system's browser: with the modifier, so that a click into the text does not. */
  #follow(event: MouseEvent, address: string): void {
    const safe = safeAddress(address);
    if (!safe || !(isMac ? event.metaKey : event.ctrlKey)) return;
    this.problem = null;
    this.#backend.openExternal(safe).catch((error: unknown) => (this.problem = CallError.from(error)));
  }

  /** Whether the terminal takes a key; the others are the window's. */
  #key(event: KeyboardEvent): boolean {
    const { ctrlKey: ctrl, shiftKey: shift, code } = event;
    if (event.key === 'F6' || (ctrl && /^Digit[1-5]$/.test(code))) return false;
    if (isMac || !ctrl || !shift || event.altKey) return true;
    // The browser itself pastes, as plain text: it then needs no leave to read the clipboard.
    if (code === 'KeyV') return false;
    if (code !== 'KeyC') return code !== 'KeyF';
    event.preventDefault();
    if (event.type === 'keydown') void copyText(this.#screen.getSelection()).then(() => this.focus());
    return false;
  }
}
