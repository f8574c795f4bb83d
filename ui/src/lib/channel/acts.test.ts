import { beforeEach, expect, it, vi } from 'vitest';
import type { App } from '$lib/state/app';
import { Checks } from '$lib/state/checks.svelte';
import { Layout } from '$lib/state/layout.svelte';
import { Navigation } from '$lib/state/navigation.svelte';
import { Power } from '$lib/state/power.svelte';
import { channel, job } from '$lib/state/samples';
import { Space } from '$lib/state/space.svelte';
import { FakeBackend } from '$lib/state/testing';
import { act } from './acts';

beforeEach(() => void vi.stubGlobal('localStorage', { getItem: () => null }));

it('asks before a sleep that ends something, and does everything else at once', () => {
  const backend = new FakeBackend({
    'sandbox.sleep': () => channel('a'),
    'sandbox.wake': () => channel('a'),
  });
  const app: App = {
    backend,
    space: new Space(backend),
    navigation: new Navigation(),
    layout: new Layout(),
    power: new Power(backend),
    checks: new Checks(backend),
  };
  act(app, channel('a', { jobs: [job('j')] }), 'sleep');
  expect([backend.calls.length, app.layout.of('a').dialog]).toEqual([0, 'sleep']);
  act(app, channel('b', { jobs: [job('j')] }), 'connect');
  act(app, channel('c'), 'sleep');
  expect(backend.calls.map(({ name }) => name)).toEqual(['sandbox.wake', 'sandbox.sleep']);
  expect(app.layout.of('c').dialog).toBeNull();
});
