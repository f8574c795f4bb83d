/** The files of each channel, made on first use. They stay when the panel that shows them goes. */
import type { Channel } from '$lib/api';
import type { App } from '$lib/state/app';
import { PerChannel } from '$lib/state/per-channel';
import { Files } from './files.svelte';

const known = new WeakMap<App, PerChannel<Files>>();

export function filesOf(app: App, channel: Channel): Files {
  return (known.get(app) ?? begin(app)).of(channel);
}

function begin(app: App): PerChannel<Files> {
  const all = new PerChannel(
    app.space,
    (channel) => new Files(app.backend, channel),
    (files) => files.forget(),
    // On a machine the folder is known only once that was reached. What is unsaved is not thrown away for it.
    (files, channel) => files.root === channel.workdir || files.open?.unsaved === true,
  );
  known.set(app, all);
  app.space.observe({ files: (channel, paths) => all.get(channel)?.changed(paths) });
  Files.keep(app.space.channels.map(({ id }) => id));
  // A webview that is closed or reloaded asks first; what is unsaved would be gone.
  addEventListener('beforeunload', (event) => {
    if (all.values().some(({ open }) => open?.unsaved)) event.preventDefault();
  });
  return all;
}
