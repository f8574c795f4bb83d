import { describe, expect, it } from 'vitest';
import { CallError } from '$lib/api';
import { machine } from '$lib/state/samples';
import { FakeBackend } from '$lib/state/testing';
import { MachineEditor } from './editor.svelte';

describe('MachineEditor', () => {
  it('adds a machine, named after its address, as no other is, where no name is given', async () => {
    const backend = new FakeBackend({ 'machine.add': ({ address }) => machine('m', { address }) });
    const editor = new MachineEditor(backend, null, () => [machine('other', { name: 'build' })]);
    expect(await editor.keep()).toBeNull();
    expect(editor.problem).not.toBeNull();
    editor.address = ' ada@build.example ';
    expect(await editor.keep()).toMatchObject({ id: 'm' });
    expect(backend.calls).toEqual([
      { name: 'machine.add', request: { address: 'ada@build.example', name: 'ada@build' } },
    ]);
  });

  it('changes one, and keeps what was typed when that fails', async () => {
    const backend = new FakeBackend({
      'machine.change': () => {
        throw new CallError({ code: 'conflict', message: 'There is a machine of that name.' });
      },
    });
    const editor = new MachineEditor(backend, machine('m', { identity: '/k' }), () => []);
    editor.name = 'other';
    expect(await editor.keep()).toBeNull();
    expect(editor.error?.code).toBe('conflict');
    expect(editor.name).toBe('other');
    expect(backend.calls[0]?.request).toEqual({
      machine: 'm',
      address: 'ada@m',
      name: 'other',
      identity: '/k',
    });
  });
});
