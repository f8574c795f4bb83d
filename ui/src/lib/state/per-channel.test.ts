import { describe, expect, it, vi } from 'vitest';
import { PerChannel } from './per-channel';
import { channel, event, snapshot } from './samples';
import { Space } from './space.svelte';
import { FakeBackend } from './testing';

function setUp() {
  const space = new Space(new FakeBackend());
  space.reset(snapshot(1, [channel('a'), channel('b')]));
  const end = vi.fn();
  return { space, end, things: new PerChannel(space, ({ id }) => ({ id }), end) };
}

describe('PerChannel', () => {
  it('gives the same thing to whoever asks, as often as they ask', () => {
    const { things } = setUp();
    expect(things.of(channel('a'))).toBe(things.of(channel('a', { name: 'renamed' })));
    expect(things.of(channel('a'))).not.toBe(things.of(channel('b')));
  });

  it('makes another one where it does not fit its channel any more', () => {
    const { space } = setUp();
    const folders = new PerChannel(
      space,
      ({ workdir }) => ({ workdir }),
      undefined,
      (thing, { workdir }) => thing.workdir === workdir,
    );
    const before = channel('a', { workdir: 'berth/a' });
    const after = channel('a', { workdir: '/home/dev/berth/a' });
    const first = folders.of(before);
    expect(folders.of(before)).toBe(first);
    expect(folders.of(after)).toEqual({ workdir: '/home/dev/berth/a' });
    expect(folders.get('a')).toBe(folders.of(after));
  });

  it('ends it when its channel is deleted, and not before', () => {
    const { space, end, things } = setUp();
    const [a, b] = [things.of(channel('a')), things.of(channel('b'))];
    space.apply(event(2, { kind: 'channel', channel: channel('a') }));
    expect(end).not.toHaveBeenCalled();
    space.apply(event(3, { kind: 'channel_removed', id: 'a' }));
    expect(end.mock.calls).toEqual([[a]]);
    // Deleted while the engine was not heard.
    space.reset(snapshot(9, []));
    expect(end.mock.calls).toEqual([[a], [b]]);
    expect(things.values()).toEqual([]);
  });
});
