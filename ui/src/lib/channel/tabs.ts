/** The workbench's tabs as they are shown, in their order. */
import Activity from '@lucide/svelte/icons/activity';
import Folder from '@lucide/svelte/icons/folder';
import Globe from '@lucide/svelte/icons/globe';
import SquareTerminal from '@lucide/svelte/icons/square-terminal';
import type { Tab } from '$lib/state/layout.svelte';

export const TAB_WORDS = {
  files: { word: 'Files', icon: Folder },
  preview: { word: 'Preview', icon: Globe },
  terminal: { word: 'Terminal', icon: SquareTerminal },
  activity: { word: 'Activity', icon: Activity },
} as const satisfies Record<Tab, unknown>;
