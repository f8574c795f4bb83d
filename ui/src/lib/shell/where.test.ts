import { describe, expect, it } from 'vitest';
import { CallError, type Machine, type ProviderInfo } from '$lib/api';
import { machine } from '$lib/state/samples';
import { FakeBackend } from '$lib/state/testing';
import { Where } from './where.svelte';

const provider = (kind: ProviderInfo['kind'], available = true): ProviderInfo => ({
  kind,
  label: kind,
  note: '',
  available,
  problem: null,
});
const providers = [provider('local'), provider('machine')];
const whereOf = (machines: Machine[], backend = new FakeBackend(), known = { providers, machines }) =>
  new Where(backend, known);

describe('Where', () => {
  it('is this computer until something else is chosen', () => {
    const where = whereOf([machine('m')]);
    expect(where.request).toEqual({ provider: 'local' });
    expect(where.problem).toBeNull();
    const only = [provider('local', false), provider('machine')];
    const elsewhere = whereOf([], undefined, { providers: only, machines: [] });
    expect(elsewhere.provider).toBe('machine');
  });

  it('needs a machine, and takes the first', () => {
    const none = whereOf([]);
    none.picked = 'machine';
    expect(none.problem).toBe('Add a machine first.');
    const where = whereOf([machine('m'), machine('n')]);
    where.picked = 'machine';
    expect(where.request).toEqual({ provider: 'machine', machine: 'm' });
    where.pickMachine('n');
    where.folder = ' /srv/site ';
    expect(where.request).toEqual({ provider: 'machine', machine: 'n', folder: '/srv/site' });
    where.pickMachine('gone');
    expect(where.machine?.id).toBe('m');
  });

  it('leaves the folder out where it means nothing', () => {
    const where = whereOf([machine('m')]);
    where.folder = '/srv';
    expect(where.request).toEqual({ provider: 'local' });
  });

  it('means the machine that is being added, and no other one', async () => {
    const backend = new FakeBackend({ 'machine.add': ({ address }) => machine('new', { address }) });
    const where = whereOf([machine('m')], backend);
    where.picked = 'machine';
    where.beginMachine();
    expect(where.machine).toBeNull();
    expect(await where.settle()).toBe(false);
    expect(where.problem).toBe('Add the machine first, or cancel.');
    expect(where.adding?.problem).not.toBeNull();
    if (where.adding) where.adding.address = 'ada@new';
    expect(await where.settle()).toBe(true);
    expect(where.request).toEqual({ provider: 'machine', machine: 'new' });
    expect([where.adding, where.problem]).toEqual([null, null]);
    expect(await where.settle()).toBe(true);
    expect(backend.calls.map(({ name }) => name)).toEqual(['machine.add']);
  });

  it('drops nothing that was typed where the machine is not added, or another one is picked meanwhile', async () => {
    const backend = new FakeBackend({
      'machine.add': () => {
        throw new CallError({ code: 'conflict', message: 'There is a machine of that name.' });
      },
    });
    const where = whereOf([machine('m')], backend);
    where.picked = 'machine';
    where.beginMachine();
    if (where.adding) where.adding.address = 'ada@new';
    expect(await where.settle()).toBe(false);
    expect(where.adding?.error?.code).toBe('conflict');
    where.pickMachine('m');
    expect(await where.settle()).toBe(true);
    expect(where.request).toEqual({ provider: 'machine', machine: 'm' });
    where.beginMachine();
    expect(where.adding?.address).toBe('ada@new');
    where.cancelMachine();
    where.beginMachine();
    expect(where.adding?.address).toBe('');
  });
});
