/** Where the person is in the window. */
import type { ChannelId } from '$lib/api';

export type SettingsSection = 'space' | 'machines' | 'appearance' | 'agents' | 'keychain' | 'about';

export type Place =
  | { kind: 'new' }
  | { kind: 'channel'; id: ChannelId }
  /** `adds` where something new is to be made there at once. */
  | { kind: 'settings'; section: SettingsSection; adds: boolean };

const LAST = 'berth.channel';

export class Navigation {
  place = $state.raw<Place>({ kind: 'new' });
  palette = $state(false);
  railFolded = $state(false);
  /** Whether the form for a new channel was begun. */
  begun = $state(false);

  /** The channel that was open last, also before a restart. */
  get last(): ChannelId | null {
    return localStorage.getItem(LAST);
  }

  openChannel(id: ChannelId): void {
    this.place = { kind: 'channel', id };
    localStorage.setItem(LAST, id);
  }

  openNew(): void {
    this.place = { kind: 'new' };
  }

  openSettings(section: SettingsSection = 'space', adds = false): void {
    this.place = { kind: 'settings', section, adds };
  }
}
