/** What an MCP client is given to reach a channel. `berthctl` is the program's whole path. */

export function mcpCommand(berthctl: string, channel: string): string {
  return `${word(berthctl)} mcp --channel ${channel}`;
}

export function claudeCommand(berthctl: string, channel: string): string {
  return `claude mcp add berth -- ${mcpCommand(berthctl, channel)}`;
}

export function mcpConfig(berthctl: string, channel: string): string {
  const server = { command: berthctl, args: ['mcp', '--channel', channel] };
  return JSON.stringify({ mcpServers: { berth: server } }, null, 2);
}

export function mcpAddress(base: string, channel: string): string {
  return `${base}/${channel}`;
}

/** A path as one word of a command line. */
function word(path: string): string {
  return /^[\w/.+:@-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
