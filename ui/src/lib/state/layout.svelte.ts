/** What each channel has open in the workbench. Remembered on this computer, across restarts. */
import type { ChannelId } from '$lib/api';
import { forgetOthers, store, stored } from './stored';

export const TABS = ['files', 'preview', 'terminal', 'activity'] as const;
export type Tab = (typeof TABS)[number];

/** The dialogs that ask or tell something about a channel. */
export type ChannelDialog = 'rename' | 'agent' | 'ssh' | 'inside' | 'ports' | 'doctor' | 'sleep' | 'destroy';

interface Remembered {
  tab: Tab | null;
  port: number | null;
}

const KEY = 'berth.layout.';

export class ChannelLayout {
  /** The tab the person chose; without one the channel's state decides. */
  tab = $state<Tab | null>(null);
  /** The port shown in Preview; without one the first that answers. */
  port = $state<number | null>(null);
  /** In a narrow window: the workbench instead of the talk. */
  overTalk = $state(false);
  /** A file that something asked to open, as a wire path; Files opens it and sets this back to `null`. */
  requestedFile = $state<string | null>(null);

  /** Somebody asked to send files into the sandbox; Files shows the system's dialog and sets this back. */
  requestedUpload = $state(false);
  /** The dialog that is open; whatever is in the channel's view may open one. */
  dialog = $state<ChannelDialog | null>(null);

  /** What stands in the composer. */
  draft = $state('');
  /** How often somebody led to the composer. */
  summoned = $state(0);

  readonly #key: string;

  constructor(channel: ChannelId) {
    this.#key = KEY + channel;
    const { tab, port } = stored<Remembered>(this.#key);
    this.tab = TABS.find((known) => known === tab) ?? null;
    this.port = typeof port === 'number' ? port : null;
  }

  openTab(tab: Tab): void {
    this.tab = tab;
    this.overTalk = true;
    this.#remember();
  }

  openPreview(port: number): void {
    this.port = port;
    this.openTab('preview');
  }

  /** Puts a beginning into the composer, and shows it; what stands there already stays. */
  compose(beginning: string): void {
    if (this.draft === '') this.draft = beginning;
    this.overTalk = false;
    this.summoned += 1;
  }

  openFile(path: string): void {
    this.requestedFile = path;
    this.openTab('files');
  }

  askForUpload(): void {
    this.requestedUpload = true;
    this.openTab('files');
  }

  #remember(): void {
    store(this.#key, { tab: this.tab, port: this.port } satisfies Remembered);
  }
}

export class Layout {
  /** The workbench fills the window. */
  filled = $state(false);

  readonly #channels = new Map<ChannelId, ChannelLayout>();

  of(channel: ChannelId): ChannelLayout {
    let layout = this.#channels.get(channel);
    if (!layout) {
      layout = new ChannelLayout(channel);
      this.#channels.set(channel, layout);
    }
    return layout;
  }

  forget(channel: ChannelId): void {
    this.#channels.delete(channel);
    localStorage.removeItem(KEY + channel);
  }

  /** Forgets all channels but these. */
  keep(channels: readonly ChannelId[]): void {
    forgetOthers(KEY, channels);
  }
}
