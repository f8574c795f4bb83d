import { describe, expect, it } from 'vitest';
import { COMMANDS, completed, completions, parseInput } from './input';

describe('parseInput', () => {
  it('takes anything without a slash as a message', () => {
    expect(parseInput('  hello\nthere ')).toEqual({ kind: 'message', text: 'hello\nthere' });
    expect(parseInput(' \n ')).toEqual({ kind: 'nothing' });
  });

  it('reads /run and /job with all that follows, over several lines', () => {
    expect(parseInput('/run echo hi > a.txt')).toEqual({
      kind: 'run',
      command: 'echo hi > a.txt',
      background: false,
    });
    expect(parseInput('/run for i in 1 2\ndo echo $i\ndone')).toMatchObject({
      command: 'for i in 1 2\ndo echo $i\ndone',
    });
    expect(parseInput('/job npm run dev')).toMatchObject({ kind: 'run', background: true });
  });

  it('asks for what is missing', () => {
    expect(parseInput('/run ').kind).toBe('incomplete');
    expect(parseInput('/open').kind).toBe('incomplete');
  });

  it.each([
    ['1', 1],
    ['3000', 3000],
    ['65535', 65_535],
  ])('opens port %s', (text, port) => {
    expect(parseInput(`/open ${text}`)).toEqual({ kind: 'open', port });
  });

  it.each(['0', '65536', '-1', '3000x', '30.5', '0x10', '1e3', 'http://x'])(
    'refuses %s as a port',
    (text) => {
      expect(parseInput(`/open ${text}`).kind).toBe('incomplete');
    },
  );

  it('does not send a mistyped command as a message', () => {
    expect(parseInput('/rnu ls')).toEqual({
      kind: 'incomplete',
      reason: 'There is no command /rnu. Begin with // to send it as a message.',
    });
  });

  it('sends a path, and what begins with two slashes, as a message', () => {
    expect(parseInput('/etc/hosts is wrong')).toEqual({ kind: 'message', text: '/etc/hosts is wrong' });
    expect(parseInput('//run is a command')).toEqual({ kind: 'message', text: '/run is a command' });
  });
});

describe('completions', () => {
  it('offers all commands after a slash, fewer as it goes on, none once it is written', () => {
    expect(completions('/')).toEqual(COMMANDS);
    expect(completions('/o').map(({ name }) => name)).toEqual(['open']);
    expect(completions('/run ls')).toEqual([]);
    expect(completions('a /')).toEqual([]);
    expect(completions('/zz')).toEqual([]);
  });

  it('leaves room for the argument', () => {
    expect(COMMANDS.map(completed)).toEqual(['/run ', '/job ', '/open ', '/help']);
  });
});
