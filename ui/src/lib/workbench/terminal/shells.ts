/** The shells of each channel, made on first use. They go on when the panel that shows them goes. */
import type { App } from '$lib/state/app';
import { PerChannel } from '$lib/state/per-channel';
import type { Shell } from './shell.svelte';

const known = new WeakMap<App, PerChannel<{ shell: Shell | null }>>();

/** The place of a channel's shell; whoever has room to draw it in fills it. */
export function shellsOf(app: App): PerChannel<{ shell: Shell | null }> {
  let all = known.get(app);
  if (!all) {
    all = new PerChannel<{ shell: Shell | null }>(
      app.space,
      () => ({ shell: null }),
      ({ shell }) => shell?.end(),
    );
    known.set(app, all);
  }
  return all;
}
