/** Which tab and which port of the workbench to show where the person has not chosen. */
import type { Channel } from '$lib/api';
import type { ChannelLayout, Tab } from '$lib/state/layout.svelte';

/** What a channel serves is what one most wants to see; without that, its files. */
export function shownTab(open: Pick<ChannelLayout, 'tab'>, channel: Channel): Tab {
  const serves = channel.previews.some(({ listening }) => listening);
  const willServe = channel.start.kind === 'website' && channel.sandbox.state !== 'running';
  return open.tab ?? (serves || willServe ? 'preview' : 'files');
}

export function shownPort(open: Pick<ChannelLayout, 'port'>, channel: Channel): number | null {
  const listening = channel.previews.find((preview) => preview.listening);
  return open.port ?? listening?.port ?? channel.previews[0]?.port ?? null;
}
