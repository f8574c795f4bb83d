import { describe, expect, it } from 'vitest';
import { CallError, type Entry, type Timeline as Page } from '$lib/api';
import { action, entry } from './samples';
import { FakeBackend, settle } from './testing';
import { Timeline } from './timeline.svelte';

const seqs = (timeline: Timeline) => timeline.entries.map(({ seq }) => seq);

/** A backend whose pages are released by hand. */
function held() {
  const waiting: ((page: Page) => void)[] = [];
  const backend = new FakeBackend({ 'timeline.list': () => new Promise((resolve) => waiting.push(resolve)) });
  const release = async (entries: Entry[], more = false) => {
    await settle();
    waiting.shift()?.({ entries, more });
    await settle();
  };
  return { timeline: new Timeline(backend, 'a'), backend, release };
}

describe('Timeline', () => {
  it('fetches the newest page once, then older ones', async () => {
    const { timeline, backend, release } = held();
    const open = timeline.open();
    await timeline.open();
    await release([entry(5), entry(6)], true);
    await open;
    expect(timeline.more).toBe(true);
    const older = timeline.loadOlder();
    await release([entry(3), entry(4)]);
    await older;
    expect(seqs(timeline)).toEqual([3, 4, 5, 6]);
    expect(timeline.more).toBe(false);
    expect(backend.calls.map(({ request }) => (request as { before?: number }).before)).toEqual([
      undefined,
      5,
    ]);
  });

  it('keeps what came by event over an older page', async () => {
    const { timeline, release } = held();
    void timeline.open();
    timeline.put(entry(2, { body: action('x', { status: { state: 'done', exit_code: 0 } }) }));
    await release([entry(1), entry(2, { body: action('x') })]);
    const card = timeline.entries[1]?.body;
    expect(card).toMatchObject({ card: { status: { state: 'done' } } });
  });

  it('replaces an entry in its place', () => {
    const { timeline } = held();
    for (const seq of [1, 2, 3]) timeline.put(entry(seq));
    timeline.put(entry(2, { body: { kind: 'message', text: 'changed' } }));
    expect(seqs(timeline)).toEqual([1, 2, 3]);
    expect(timeline.entries[1]?.body).toEqual({ kind: 'message', text: 'changed' });
  });

  it('begins anew when the newest page does not reach back to what is here', async () => {
    const { timeline, release } = held();
    void timeline.open();
    await release([entry(1), entry(2)]);
    void timeline.refresh();
    await release([entry(50), entry(51)], true);
    expect(seqs(timeline)).toEqual([50, 51]);
    expect(timeline.more).toBe(true);
  });

  it('joins a newer page to what is here, and still knows of older ones', async () => {
    const { timeline, release } = held();
    void timeline.open();
    await release([entry(5), entry(6)], true);
    void timeline.refresh();
    await release([entry(6), entry(7)], true);
    expect(seqs(timeline)).toEqual([5, 6, 7]);
    expect(timeline.more).toBe(true);
  });

  it('keeps live output until the action ends', () => {
    const { timeline } = held();
    timeline.put(entry(1, { body: action('x') }));
    timeline.print('x', 'one ');
    timeline.print('x', 'two');
    expect(timeline.live.get('x')).toBe('one two');
    timeline.put(entry(1, { body: action('x', { status: { state: 'done', exit_code: 0 } }) }));
    expect(timeline.live.has('x')).toBe(false);
  });

  it('keeps only the end of a long output', () => {
    const { timeline } = held();
    for (let part = 0; part < 40; part += 1) timeline.print('x', 'a'.repeat(16_384));
    timeline.print('x', 'END');
    expect(timeline.live.get('x')?.length).toBe(256 * 1024);
    expect(timeline.live.get('x')?.endsWith('END')).toBe(true);
  });

  it('says why a page could not be fetched, and fetches it later', async () => {
    const backend = new FakeBackend({
      'timeline.list': () => {
        throw new CallError({ code: 'failed', message: 'no' });
      },
    });
    const timeline = new Timeline(backend, 'a');
    await timeline.open();
    expect(timeline.error?.message).toBe('no');
    backend.answers = { 'timeline.list': () => ({ entries: [entry(1)], more: false }) };
    await timeline.open();
    expect(backend.calls).toHaveLength(1);
    await timeline.retry();
    expect(timeline.error).toBeNull();
    expect(seqs(timeline)).toEqual([1]);
  });

  it('fetches again what failed, also where nothing is older', async () => {
    const { timeline, backend, release } = held();
    void timeline.open();
    await release([entry(1)]);
    const { answers } = backend;
    backend.answers = {};
    await timeline.refresh();
    expect(timeline.error).not.toBeNull();
    backend.answers = answers;
    void timeline.retry();
    await release([entry(1), entry(2)]);
    expect(seqs(timeline)).toEqual([1, 2]);
    expect(timeline.error).toBeNull();
  });

  it('leaves no hole before a change to an entry that is older than all here', async () => {
    const { timeline, backend, release } = held();
    void timeline.open();
    await release([entry(50), entry(51)], true);
    const done = action('x', { status: { state: 'done', exit_code: 0 } });
    timeline.put(entry(10, { body: done }));
    expect(seqs(timeline)).toEqual([50, 51]);
    const older = timeline.loadOlder();
    timeline.put(entry(10, { body: done }));
    await release([entry(10, { body: action('x') }), entry(49)]);
    await older;
    expect((backend.calls[1]?.request as { before: number }).before).toBe(50);
    expect(seqs(timeline)).toEqual([10, 49, 50, 51]);
    expect(timeline.entries[0]?.body).toEqual(done);
  });

  it('drops what came before its first page where that does not reach back to it', async () => {
    const { timeline, release } = held();
    timeline.put(entry(3));
    void timeline.open();
    await release([entry(50), entry(51)], true);
    expect(seqs(timeline)).toEqual([50, 51]);
  });

  it('refreshes after the page that was under way, and takes what came between for no bridge', async () => {
    const { timeline, backend, release } = held();
    void timeline.open();
    await release([entry(50), entry(51)], true);
    void timeline.loadOlder();
    await settle();
    void timeline.refresh();
    timeline.put(entry(99));
    await release([entry(49)], true);
    expect(backend.calls).toHaveLength(3);
    await release([entry(98), entry(99)], true);
    expect(seqs(timeline)).toEqual([98, 99]);
    expect(timeline.more).toBe(true);
  });

  it('tells when an action’s card arrives', async () => {
    const { timeline } = held();
    let there = false;
    void timeline.appeared('x').then(() => (there = true));
    timeline.put(entry(1, { body: action('y') }));
    await settle();
    expect(there).toBe(false);
    timeline.put(entry(2, { body: action('x') }));
    await settle();
    expect(there).toBe(true);
  });
});
