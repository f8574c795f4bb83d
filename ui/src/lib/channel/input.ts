/** What a line in the composer means. */

export type Input =
  | { kind: 'nothing' }
  | { kind: 'message'; text: string }
  | { kind: 'run'; command: string; background: boolean }
  | { kind: 'open'; port: number }
  | { kind: 'help' }
  /** Cannot be sent as it stands; `reason` says why. */
  | { kind: 'incomplete'; reason: string };

export interface SlashCommand {
  name: string;
  argument: string;
  does: string;
}

export const COMMANDS: readonly SlashCommand[] = [
  { name: 'run', argument: 'command', does: 'Run a command and show what it prints' },
  { name: 'job', argument: 'command', does: 'Start something that keeps running, such as a server' },
  { name: 'open', argument: 'port', does: 'Show what is served on a port' },
  { name: 'help', argument: '', does: 'What can be done here' },
];

/** A leading `//` sends a message that begins with a slash. */
export function parseInput(text: string): Input {
  const trimmed = text.trim();
  if (trimmed === '') return { kind: 'nothing' };
  if (trimmed.startsWith('//')) return { kind: 'message', text: trimmed.slice(1) };
  const match = /^\/([a-z]*)(?:\s+([\s\S]*))?$/.exec(trimmed);
  if (!match) return { kind: 'message', text: trimmed };
  const name = match[1] ?? '';
  const argument = match[2]?.trim() ?? '';
  switch (name) {
    case 'run':
    case 'job':
      return argument
        ? { kind: 'run', command: argument, background: name === 'job' }
        : { kind: 'incomplete', reason: `Write the command after /${name}, such as /${name} npm test.` };
    case 'open':
      return parsePort(argument);
    case 'help':
      return { kind: 'help' };
    default:
      return {
        kind: 'incomplete',
        reason: `There is no command /${name}. Begin with // to send it as a message.`,
      };
  }
}

function parsePort(argument: string): Input {
  const port = Number(argument);
  if (/^\d+$/.test(argument) && port >= 1 && port <= 65_535) return { kind: 'open', port };
  return { kind: 'incomplete', reason: 'Write a port after /open, such as /open 3000.' };
}

/** The commands that complete what is typed; none unless it is a lone, unfinished `/word`. */
export function completions(text: string): readonly SlashCommand[] {
  const match = /^\/([a-z]*)$/.exec(text);
  if (!match) return [];
  return COMMANDS.filter(({ name }) => name.startsWith(match[1] ?? ''));
}

/** What stands in the composer once a command was chosen. */
export function completed(command: SlashCommand): string {
  return command.argument ? `/${command.name} ` : `/${command.name}`;
}
