/**
 * Somebody else, mostly an agent, asks that a channel be seen. The person comes first: keys that are typed for one thing
 * must never land in another.
 */
import type { ChannelId } from '$lib/api';

/** What the person is at. */
export interface Occupation {
  /** The channel on screen. */
  shown: ChannelId | null;
  /** What stands in the composer on screen. */
  draft: string;
  /** A new channel's form is on screen; whether it was touched. */
  form: 'none' | 'untouched' | 'begun';
  /** Whether a dialog or a menu is open. */
  asked: boolean;
  /** Whether the keyboard is in something that takes text. */
  typing: boolean;
}

/** Whether the window goes to that channel, rather than only marking it. */
export function follows(channel: ChannelId, { shown, draft, form, asked, typing }: Occupation): boolean {
  if (channel === shown) return true;
  if (asked) return false;
  if (form === 'untouched') return true;
  return form === 'none' && draft === '' && !typing;
}

const TEXT =
  'input:not([type=radio], [type=checkbox], [readonly]), textarea:not([readonly]), select, [contenteditable="true"]';

/** Whether keys pressed now are text for something. */
export function takesText(element: Element | null): boolean {
  return element?.matches(TEXT) ?? false;
}
