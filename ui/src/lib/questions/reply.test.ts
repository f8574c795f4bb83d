import { describe, expect, it } from 'vitest';
import type { Ask } from '$lib/api';
import { question } from '$lib/state/samples';
import { FakeBackend } from '$lib/state/testing';
import { Reply, Wishes } from './reply.svelte';

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
    const reply = new Reply(backend, question('q'), new Wishes());
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
    const reply = new Reply(backend, question('q', { ask: prompts }), new Wishes());
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
      new Wishes(),
    );
    await host.send();
    expect(backend.calls.map(({ request }) => request)).toEqual([
      { question: 'q' },
      { question: 'h', answers: ['yes'], remember: false },
    ]);
  });

  it('has nothing to send before something was typed', () => {
    const backend = new FakeBackend();
    const secret = new Reply(backend, question('q'), new Wishes());
    const words = new Reply(backend, question('p', { ask: prompts }), new Wishes());
    expect([secret.empty, words.empty]).toEqual([true, true]);
    secret.answers[0] = 'hunter2';
    words.answers[1] = '1234';
    expect([secret.empty, words.empty]).toEqual([false, false]);
    const told: Ask = { kind: 'prompts', title: '', instructions: 'Welcome.', prompts: [] };
    expect(new Reply(backend, question('t', { ask: told }), new Wishes()).empty).toBe(false);
  });

  it('is still to be remembered where the same is asked again, and nothing else is', async () => {
    const backend = new FakeBackend({ 'question.answer': () => ({}) });
    const wishes = new Wishes();
    const asks = (machine: string, again: boolean) =>
      question('q', { machine, ask: { kind: 'password', user: 'ada', host: 'm', again } });
    const first = new Reply(backend, asks('m', false), wishes);
    first.remember = true;
    await first.send();
    expect(new Reply(backend, asks('m', true), wishes).remember).toBe(true);
    expect(new Reply(backend, asks('n', true), wishes).remember).toBe(false);
    expect(new Reply(backend, asks('m', false), wishes).remember).toBe(false);
    const second = new Reply(backend, asks('m', true), wishes);
    second.remember = false;
    await second.send();
    expect(new Reply(backend, asks('m', true), wishes).remember).toBe(false);
  });
});
