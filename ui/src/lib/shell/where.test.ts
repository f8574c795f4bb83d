import { describe, expect, it } from 'vitest';
import type { ProviderInfo } from '$lib/api';
import { machine } from '$lib/state/samples';
import { Where } from './where.svelte';

const provider = (kind: ProviderInfo['kind'], available = true): ProviderInfo => ({
  kind,
  label: kind,
  note: '',
  available,
  problem: null,
});
const providers = [provider('local'), provider('machine')];

describe('Where', () => {
  it('is this computer until something else is chosen', () => {
    const where = new Where({ providers, machines: [machine('m')] });
    expect(where.request).toEqual({ provider: 'local' });
    expect(where.problem).toBeNull();
    const elsewhere = new Where({ providers: [provider('local', false), provider('machine')], machines: [] });
    expect(elsewhere.provider).toBe('machine');
  });

  it('needs a machine, and takes the first', () => {
    const none = new Where({ providers, machines: [] });
    none.picked = 'machine';
    expect(none.problem).toBe('Add a machine first.');
    const where = new Where({ providers, machines: [machine('m'), machine('n')] });
    where.picked = 'machine';
    expect(where.request).toEqual({ provider: 'machine', machine: 'm' });
    where.pickedMachine = 'n';
    where.folder = ' /srv/site ';
    expect(where.request).toEqual({ provider: 'machine', machine: 'n', folder: '/srv/site' });
    where.pickedMachine = 'gone';
    expect(where.machine?.id).toBe('m');
  });

  it('leaves the folder out where it means nothing', () => {
    const where = new Where({ providers, machines: [machine('m')] });
    where.folder = '/srv';
    expect(where.request).toEqual({ provider: 'local' });
  });
});
