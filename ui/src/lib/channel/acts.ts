/** What a person does with a sandbox as a whole, from wherever in the window. */
import type { Channel } from '$lib/api';
import type { App } from '$lib/state/app';
import { shellsOf } from '$lib/workbench/terminal/shells';
import { endedBySleep } from './sleep';
import type { PrimaryAction } from './states';

/** Does it, or asks first where a sleep would end something. */
export function act(app: App, channel: Channel, action: PrimaryAction): void {
  if (action === 'sleep' && endedBySleep(channel, hasTerminal(app, channel))) {
    app.layout.of(channel.id).dialog = 'sleep';
  } else void app.power.act(channel.id, action);
}

/** Whether this window has a terminal open in it. */
export function hasTerminal(app: App, channel: Channel): boolean {
  return shellsOf(app).get(channel.id)?.shell?.status.state === 'open';
}
