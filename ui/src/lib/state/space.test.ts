import { describe, expect, it, vi } from 'vitest';
import { CallError } from '$lib/api';
import { AGENT, action, channel, entry, event, machine, question, snapshot, transfer } from './samples';
import { Space } from './space.svelte';
import { FakeBackend, settle } from './testing';

function connected(...ids: string[]) {
  const backend = new FakeBackend({ 'timeline.list': () => ({ entries: [], more: false }) });
  const space = new Space(backend);
  space.connect();
  backend.listener?.snapshot(
    snapshot(
      10,
      ids.map((id) => channel(id)),
    ),
  );
  return { backend, space };
}

describe('Space', () => {
  it('mirrors the snapshot, then events in order', () => {
    const { space } = connected('a');
    expect(space.link.state).toBe('live');
    expect(space.apply(event(11, { kind: 'channel', channel: channel('b') }))).toBe(true);
    expect(space.apply(event(12, { kind: 'channel', channel: channel('a', { name: 'renamed' }) }))).toBe(
      true,
    );
    expect(space.channels.map(({ name }) => name)).toEqual(['renamed', 'b']);
    space.apply(event(13, { kind: 'channel_removed', id: 'a' }));
    expect(space.channels.map(({ id }) => id)).toEqual(['b']);
  });

  it('takes from a command only what it does not know: an answer may be older than an event', () => {
    const { space } = connected('a');
    space.apply(event(11, { kind: 'channel', channel: channel('a', { name: 'newer' }) }));
    space.add(channel('a', { name: 'older' }));
    space.add(channel('b'));
    expect(space.channels.map(({ name }) => name)).toEqual(['newer', 'b']);
  });

  it('passes over events that the snapshot already holds', () => {
    const { space } = connected('a');
    expect(space.apply(event(10, { kind: 'channel_removed', id: 'a' }))).toBe(true);
    expect(space.channels).toHaveLength(1);
  });

  it('takes a new snapshot when an event is missing', () => {
    const { backend, space } = connected('a');
    backend.listener?.event(event(13, { kind: 'channel_removed', id: 'a' }));
    expect(backend.listens).toBe(2);
    expect(space.channels).toHaveLength(1);
    backend.listener?.snapshot(snapshot(20, [channel('z')]));
    expect(space.channels.map(({ id }) => id)).toEqual(['z']);
    expect(space.apply(event(21, { kind: 'channel', channel: channel('y') }))).toBe(true);
  });

  it('fetches open timelines again after a new snapshot', async () => {
    const { backend, space } = connected('a');
    await space.timeline('a').open();
    backend.listener?.snapshot(snapshot(30, [channel('a')]));
    await settle();
    expect(backend.calls.filter(({ name }) => name === 'timeline.list')).toHaveLength(2);
  });

  it('says that the engine is lost, and that it is back', () => {
    const { backend, space } = connected('a');
    backend.listener?.lost(new CallError({ code: 'failed', message: 'gone' }));
    expect(space.link).toMatchObject({ state: 'lost', reason: { message: 'gone' } });
    backend.listener?.snapshot(snapshot(1, []));
    expect(space.link.state).toBe('live');
  });

  it('counts what others did in a channel that is not on screen, each entry once', () => {
    const { space } = connected('a', 'b');
    space.show('b');
    space.apply(event(11, { kind: 'entry', entry: entry(1, { author: AGENT, body: action('x') }) }));
    const done = action('x', { status: { state: 'done', exit_code: 0 } });
    space.apply(event(12, { kind: 'entry', entry: entry(1, { author: AGENT, body: done }) }));
    space.apply(event(13, { kind: 'entry', entry: entry(2, { author: AGENT }) }));
    space.apply(event(14, { kind: 'entry', entry: entry(3) }));
    space.apply(event(15, { kind: 'entry', entry: entry(1, { author: AGENT, channel: 'b' }) }));
    expect(space.unread.get('a')).toBe(2);
    expect(space.unread.get('b')).toBeUndefined();
    space.show('a');
    expect(space.unread.get('a')).toBeUndefined();
  });

  it('tells observers of files and focus until they leave', () => {
    const { space } = connected('a');
    const observer = { files: vi.fn(), focus: vi.fn() };
    const leave = space.observe(observer);
    space.apply(event(11, { kind: 'files', channel: 'a', paths: ['/x'] }));
    space.apply(event(12, { kind: 'focus', channel: 'a', port: 3000 }));
    leave();
    space.apply(event(13, { kind: 'files', channel: 'a', paths: ['/y'] }));
    expect(observer.files.mock.calls).toEqual([['a', ['/x']]]);
    expect(observer.focus.mock.calls).toEqual([['a', 3000]]);
  });

  it('mirrors machines, questions, transfers and forwards', () => {
    const { space } = connected();
    const forward = { id: 'f', channel: 'a', host: 'localhost', port: 80, local_port: 8080, connections: 0 };
    space.reset(
      snapshot(20, [channel('a', { provider: 'machine', machine: 'm' })], {
        machines: [machine('m', { name: 'build-box' })],
        questions: [question('q')],
        transfers: [transfer('t')],
        forwards: [forward],
      }),
    );
    const [a] = space.channels;
    expect(a && space.placeOf(a)).toBe('build-box');
    expect(space.transfers.of('a')).toEqual(['t']);
    expect(space.forwardsOf('a')).toEqual([forward]);
    expect(space.forwardsOf('b')).toEqual([]);
    space.apply(event(21, { kind: 'machines', machines: [machine('m', { name: 'renamed' })] }));
    expect(a && space.placeOf(a)).toBe('renamed');
    space.apply(event(22, { kind: 'questions', questions: [] }));
    expect(space.questions).toEqual([]);
    space.apply(event(23, { kind: 'transfer', transfer: transfer('u', { status: { state: 'done' } }) }));
    space.apply(event(24, { kind: 'transfer_removed', id: 't' }));
    expect(space.transfers.of('a')).toEqual(['u']);
    space.apply(event(25, { kind: 'forwards', forwards: [] }));
    expect(space.forwards).toEqual([]);
  });
});
