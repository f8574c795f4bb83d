/** The files of each channel, made on first use. They stay when the panel that shows them goes. */
import type { Channel, ChannelId } from '$lib/api';
import type { App } from '$lib/state/app';
import { Files } from './files.svelte';

const known = new WeakMap<App, Map<ChannelId, Files>>();

export function filesOf(app: App, channel: Channel): Files {
  const all = known.get(app) ?? begin(app);
  for (const id of all.keys()) if (!app.space.channel(id)) all.delete(id);
  let files = all.get(channel.id);
  if (!files) {
    files = new Files(app.backend, channel);
    all.set(channel.id, files);
  }
  return files;
}

/** The files that hold something unsaved, of all channels. */
export function unsavedFiles(app: App): string[] {
  return [...(known.get(app)?.values() ?? [])].flatMap(({ open }) => (open?.unsaved ? [open.path] : []));
}

function begin(app: App): Map<ChannelId, Files> {
  const all = new Map<ChannelId, Files>();
  known.set(app, all);
  app.space.observe({ files: (channel, paths) => all.get(channel)?.changed(paths) });
  // A webview that is closed or reloaded asks first; what is unsaved would be gone.
  addEventListener('beforeunload', (event) => {
    if (unsavedFiles(app).length > 0) event.preventDefault();
  });
  return all;
}
