import { describe, expect, it } from 'vitest';
import type { Ask } from '$lib/api';
import { question } from '$lib/state/samples';
import { FakeBackend } from '$lib/state/testing';
import { Reply } from './reply.svelte';

const prompts: Ask = {
  kind: 'prompts',
  title: '',
  instructions: '',
  prompts: [
    { text: 'Code: ', echo: true },
    { text: 'PIN: ', echo: false },
  ],
};

describe('Reply', () => {
  it('gives an answer away once, and keeps nothing of it, also when it did not arrive', async () => {
    const backend = new FakeBackend();
    const reply = new Reply(backend, question('q'));
    reply.answers[0] = 'hunter2';
    reply.remember = true;
    const sent = reply.send();
    expect(reply.answers).toEqual(['']);
    await sent;
    expect(backend.calls).toEqual([
      { name: 'question.answer', request: { question: 'q', answers: ['hunter2'], remember: true } },
    ]);
    expect(reply.answers).toEqual(['']);
    expect(reply.error?.message).toBe('no answer to question.answer');
    expect(reply.busy).toBe(false);
  });

  it('has one answer for each thing that is asked', async () => {
    const backend = new FakeBackend({ 'question.answer': () => ({}), 'question.refuse': () => ({}) });
    const reply = new Reply(backend, question('q', { ask: prompts }));
    expect(reply.answers).toEqual(['', '']);
    reply.answers[1] = '1234';
    await reply.refuse();
    expect(reply.answers).toEqual(['', '']);
    expect(reply.busy).toBe(true);
    const host = new Reply(
      backend,
      question('h', {
        ask: { kind: 'host_key', host: 'm', algorithm: 'ssh-ed25519', fingerprint: 'SHA256:x' },
      }),
    );
    await host.send();
    expect(backend.calls.map(({ request }) => request)).toEqual([
      { question: 'q' },
      { question: 'h', answers: ['yes'], remember: false },
    ]);
  });
});
