/** What an MCP client is given to reach a channel. */
export function mcpCommand(channel: string): string {
  return `berthctl mcp --channel ${channel}`;
}

/** Where the channel is by HTTP; `base` is the engine's. */
export function mcpAddress(base: string, channel: string): string {
  return `${base}/${channel}`;
}

export function mcpConfig(channel: string): string {
  const server = { command: 'berthctl', args: ['mcp', '--channel', channel] };
  return JSON.stringify({ mcpServers: { berth: server } }, null, 2);
}
