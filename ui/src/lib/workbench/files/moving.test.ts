import { describe, expect, it } from 'vitest';
import { CallError } from '$lib/api';
import { transfer } from '$lib/state/samples';
import { FakeBackend, settle, type Answers } from '$lib/state/testing';
import { Moving } from './moving.svelte';

const ready = (answers: Answers = {}) =>
  new FakeBackend({
    'transfer.upload': () => transfer('t'),
    'transfer.download': () => transfer('t'),
    ...answers,
  });
const sent = (backend: FakeBackend) =>
  backend.calls.filter(({ name }) => name.startsWith('transfer')).map(({ request }) => request);
/** A folder that has these. */
const having = (...paths: string[]): Answers => ({
  'action.stat': ({ path }) => {
    if (!paths.includes(path)) throw new CallError({ code: 'not_found', message: 'no' });
    const entry = {
      name: '',
      kind: 'file',
      size: 0,
      modified: 0,
      mode: 0,
      target: null,
      ignored: false,
    } as const;
    return { path, entry, version: '1' };
  },
});

describe('Moving', () => {
  it('sends what was dropped or chosen, and nothing where nothing was', async () => {
    const backend = ready();
    const moving = new Moving(backend, 'a');
    await moving.drop(['/home/ada/x'], '/site');
    await moving.choose('files', '/site');
    backend.choose = () => Promise.resolve(['/home/ada/y']);
    await moving.choose('folder', '/site/src');
    expect(sent(backend)).toEqual([
      { channel: 'a', from: ['/home/ada/x'], to: '/site' },
      { channel: 'a', from: ['/home/ada/y'], to: '/site/src' },
    ]);
    expect(moving.problem).toBeNull();
  });

  it('fetches to the folder that was chosen, or not at all', async () => {
    const backend = ready();
    const moving = new Moving(backend, 'a');
    await moving.fetch('/site/x');
    expect(backend.calls).toEqual([]);
    backend.choose = () => Promise.resolve(['/home/ada']);
    await moving.fetch('/site/x');
    expect(sent(backend)).toEqual([{ channel: 'a', from: ['/site/x'], to: '/home/ada', replace: false }]);
  });

  it('says why nothing was sent', async () => {
    const moving = new Moving(new FakeBackend(), 'a');
    await moving.drop(['/x'], '/site');
    expect(moving.problem?.title).toBe('Nothing was uploaded');
    expect(moving.problem?.error.message).toBe('no answer to transfer.upload');
  });
});

describe('what would be replaced', () => {
  it('is asked about by name before anything is sent', async () => {
    const backend = ready(having('/site/x', '/site/y'));
    const moving = new Moving(backend, 'a');
    const drop = () => moving.drop(['/home/ada/x', '/home/ada/new', 'C:\\Users\\ada\\y'], '/site');
    const first = drop();
    await settle();
    const [asked] = moving.replacing;
    expect([asked?.names, asked?.folder, asked?.looked]).toEqual([['x', 'y'], '/site', null]);
    asked?.answer(false);
    await first;
    expect([sent(backend), moving.replacing]).toEqual([[], []]);
    const second = drop();
    await settle();
    moving.replacing[0]?.answer(true);
    await second;
    expect(sent(backend)).toHaveLength(1);
  });

  it('is asked about one after the other', async () => {
    const backend = ready(having('/site/x', '/site/y'));
    const moving = new Moving(backend, 'a');
    const both = [moving.drop(['/x'], '/site'), moving.drop(['/y'], '/site')];
    await settle();
    expect(moving.replacing.map(({ names }) => names)).toEqual([['x'], ['y']]);
    moving.replacing[0]?.answer(false);
    moving.replacing[0]?.answer(true);
    await Promise.all(both);
    expect(sent(backend)).toEqual([{ channel: 'a', from: ['/y'], to: '/site' }]);
  });

  it('is looked for among the first twenty', async () => {
    const backend = ready(having('/site/0'));
    const moving = new Moving(backend, 'a');
    const from = Array.from({ length: 30 }, (_, n) => `/home/ada/${n}`);
    const dropped = moving.drop(from, '/site');
    await settle();
    expect(backend.calls).toHaveLength(20);
    expect(moving.replacing[0]?.looked).toBe(20);
    moving.replacing[0]?.answer(true);
    await dropped;
    expect(sent(backend)).toEqual([{ channel: 'a', from, to: '/site' }]);
  });

  it('need not be waited for', async () => {
    const backend = ready({ 'action.stat': () => new Promise(() => undefined) });
    const moving = new Moving(backend, 'a');
    const dropped = moving.drop(['/x'], '/site');
    expect(moving.looking).toBe(true);
    moving.giveUp();
    await dropped;
    expect([moving.looking, sent(backend)]).toEqual([false, []]);
  });

  it('is said by the engine where it is on this computer', async () => {
    const backend = ready({
      'transfer.download': ({ replace }) => {
        if (!replace) throw new CallError({ code: 'conflict', message: 'x is there.' });
        return transfer('t');
      },
    });
    backend.choose = () => Promise.resolve(['/home/ada']);
    const moving = new Moving(backend, 'a');
    const no = moving.fetch('/site/x');
    await settle();
    expect([moving.replacing[0]?.names, moving.replacing[0]?.folder]).toEqual([['x'], '/home/ada']);
    moving.replacing[0]?.answer(false);
    await no;
    expect(sent(backend)).toHaveLength(1);
    const yes = moving.fetch('/site/x');
    await settle();
    moving.replacing[0]?.answer(true);
    await yes;
    expect(sent(backend).at(-1)).toEqual({ channel: 'a', from: ['/site/x'], to: '/home/ada', replace: true });
    expect(moving.problem).toBeNull();
  });
});
