/** What the palette offers where the person is. */
import Cable from '@lucide/svelte/icons/cable';
import Hash from '@lucide/svelte/icons/hash';
import Moon from '@lucide/svelte/icons/moon';
import PanelLeft from '@lucide/svelte/icons/panel-left';
import Play from '@lucide/svelte/icons/play';
import Plug from '@lucide/svelte/icons/plug';
import Plus from '@lucide/svelte/icons/plus';
import Server from '@lucide/svelte/icons/server';
import Settings from '@lucide/svelte/icons/settings';
import Stethoscope from '@lucide/svelte/icons/stethoscope';
import SunMoon from '@lucide/svelte/icons/sun-moon';
import Upload from '@lucide/svelte/icons/upload';
import type { Component } from 'svelte';
import type { Channel, Theme } from '$lib/api';
import { act } from '$lib/channel/acts';
import { ACTION_WORDS, isRunning, stateOf, type PrimaryAction } from '$lib/channel/states';
import { TAB_WORDS } from '$lib/channel/tabs';
import type { App } from '$lib/state/app';
import { TABS } from '$lib/state/layout.svelte';

export interface PaletteItem {
  id: string;
  label: string;
  icon?: Component<{ 'aria-hidden'?: 'true' }>;
  note?: string;
  keys?: string;
  /** A path, already matched by whoever found it. */
  mono?: boolean;
  run: () => void;
}

interface PaletteGroup {
  heading: string;
  items: PaletteItem[];
}

export function paletteActions(app: App, channel: Channel | undefined): PaletteGroup[] {
  return [
    ...(channel ? [inChannel(app, channel)] : []),
    { heading: 'Channels', items: app.space.channels.map((other) => openItem(app, other)) },
    { heading: 'Space', items: inSpace(app) },
  ];
}

function openItem({ navigation }: App, channel: Channel): PaletteItem {
  const run = () => navigation.openChannel(channel.id);
  return { id: `channel:${channel.id}`, label: channel.name, icon: Hash, note: stateOf(channel).word, run };
}

const ICONS: Record<PrimaryAction, Component<{ 'aria-hidden'?: 'true' }>> = {
  sleep: Moon,
  wake: Play,
  connect: Plug,
  retry: Play,
};

function inChannel(app: App, channel: Channel): PaletteGroup {
  const { layout } = app;
  const { action } = stateOf(channel);
  const items: PaletteItem[] = TABS.map((tab, index) => ({
    id: `tab:${tab}`,
    label: `Show ${TAB_WORDS[tab].word.toLowerCase()}`,
    icon: TAB_WORDS[tab].icon,
    keys: `Mod+${index + 1}`,
    run: () => layout.of(channel.id).openTab(tab),
  }));
  const open = layout.of(channel.id);
  items.push(
    {
      id: 'doctor',
      label: 'Check this sandbox’s connection',
      icon: Stethoscope,
      run: () => (open.dialog = 'doctor'),
    },
    { id: 'ports', label: 'Open a port…', icon: Cable, run: () => (open.dialog = 'ports') },
    { id: 'upload', label: 'Upload files…', icon: Upload, run: () => open.askForUpload() },
  );
  const offer = (action: PrimaryAction) =>
    items.push({
      id: action,
      label: ACTION_WORDS[action],
      icon: ICONS[action],
      run: () => act(app, channel, action),
    });
  if (action) offer(action);
  if (isRunning(channel) && action !== 'sleep') offer('sleep');
  return { heading: channel.name, items };
}

function inSpace({ backend, navigation, space }: App): PaletteItem[] {
  const themes: Record<Theme, string> = {
    light: 'Light theme',
    dark: 'Dark theme',
    system: 'Theme as the system',
  };
  const setTheme = (theme: Theme) => () =>
    void backend
      .call('settings.set', { ...space.settings, theme })
      .catch(() => navigation.openSettings('appearance'));
  return [
    { id: 'new', label: 'New channel', icon: Plus, run: () => navigation.openNew() },
    { id: 'machines', label: 'Machines', icon: Server, run: () => navigation.openSettings('machines') },
    {
      id: 'add-machine',
      label: 'Add a machine',
      icon: Server,
      run: () => navigation.openSettings('machines', true),
    },
    { id: 'settings', label: 'Settings', icon: Settings, run: () => navigation.openSettings() },
    {
      id: 'rail',
      label: navigation.railFolded ? 'Show the sidebar' : 'Hide the sidebar',
      icon: PanelLeft,
      keys: 'Mod+B',
      run: () => (navigation.railFolded = !navigation.railFolded),
    },
    ...Object.entries(themes).map(([theme, label]) => ({
      id: `theme:${theme}`,
      label,
      icon: SunMoon,
      run: setTheme(theme as Theme),
    })),
  ];
}

/** Whether every word of the query begins a word of the label. */
export function paletteMatch({ label }: Pick<PaletteItem, 'label'>, query: string): boolean {
  const words = label.toLowerCase().split(/[\s\-_/.]+/);
  return query
    .toLowerCase()
    .split(/[\s\-_/.]+/)
    .every((part) => words.some((word) => word.startsWith(part)));
}
