/** How an action is told in its line. */
import Download from '@lucide/svelte/icons/download';
import FilePen from '@lucide/svelte/icons/file-pen';
import FileText from '@lucide/svelte/icons/file-text';
import FolderOpen from '@lucide/svelte/icons/folder-open';
import FolderSearch from '@lucide/svelte/icons/folder-search';
import Info from '@lucide/svelte/icons/info';
import MoveRight from '@lucide/svelte/icons/move-right';
import Pencil from '@lucide/svelte/icons/pencil';
import Search from '@lucide/svelte/icons/search';
import SquareTerminal from '@lucide/svelte/icons/square-terminal';
import Trash from '@lucide/svelte/icons/trash-2';
import Upload from '@lucide/svelte/icons/upload';
import type { Component } from 'svelte';
import type { ActionCard, Verb } from '$lib/api';

interface VerbWords {
  icon: Component<{ 'aria-hidden'?: 'true' }>;
  doing: string;
  done: string;
}

const VERBS: Record<Verb, VerbWords> = {
  read: { icon: FileText, doing: 'Reading', done: 'Read' },
  write: { icon: FilePen, doing: 'Writing', done: 'Wrote' },
  edit: { icon: Pencil, doing: 'Editing', done: 'Edited' },
  glob: { icon: FolderSearch, doing: 'Looking for', done: 'Looked for' },
  grep: { icon: Search, doing: 'Searching', done: 'Searched' },
  list: { icon: FolderOpen, doing: 'Listing', done: 'Listed' },
  run: { icon: SquareTerminal, doing: 'Running', done: 'Ran' },
  stat: { icon: Info, doing: 'Looking at', done: 'Looked at' },
  move: { icon: MoveRight, doing: 'Moving', done: 'Moved' },
  delete: { icon: Trash, doing: 'Deleting', done: 'Deleted' },
  upload: { icon: Upload, doing: 'Sending', done: 'Sent' },
  download: { icon: Download, doing: 'Fetching', done: 'Fetched' },
};

export function verbIcon(verb: Verb): VerbWords['icon'] {
  return VERBS[verb].icon;
}

/** "Running", "Ran", "Could not run". */
export function verbWord(card: Pick<ActionCard, 'verb' | 'status'>): string {
  const { doing, done } = VERBS[card.verb];
  if (card.status.state === 'running') return doing;
  return card.status.state === 'failed' ? failedWord(card.verb, card.status.code) : done;
}

/** The word while it goes on; with its sandbox out of reach, `lost`, nobody knows more than that it did. */
export function goingWord(verb: Verb, lost: boolean): string {
  const { doing } = VERBS[verb];
  return lost ? `Was ${doing.toLowerCase()}` : doing;
}

function failedWord(verb: Verb, code: string): string {
  if (code === 'cancelled') return 'Stopped';
  const verbs: Partial<Record<Verb, string>> = { glob: 'look for', grep: 'search', stat: 'look at' };
  return `Could not ${verbs[verb] ?? verb}`;
}
