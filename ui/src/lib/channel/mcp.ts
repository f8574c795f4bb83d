/** What an MCP client is given to reach a channel. */
import type { AppInfo } from '$lib/api';

/** Where channels are by HTTP, and the file with the token that it asks for. */
type McpDoor = Pick<AppInfo, 'mcp_url' | 'mcp_token_file'>;

export function mcpCommand(channel: string): string {
  return `berthctl mcp --channel ${channel}`;
}

export function mcpAddress(base: string, channel: string): string {
  return `${base}/${channel}`;
}

/**
 * The command that connects Claude Code. By HTTP it needs no program of ours on the search path: the address and the
 * file are whole, and the token is read from its file when the command runs.
 */
export function claudeCommand({ mcp_url, mcp_token_file }: McpDoor, channel: string): string {
  if (mcp_url === null || mcp_token_file === null) return `claude mcp add berth -- ${mcpCommand(channel)}`;
  const header = `Authorization: Bearer $(cat ${quoted(mcp_token_file)})`;
  return `claude mcp add --transport http berth ${mcpAddress(mcp_url, channel)} --header "${header}"`;
}

export function mcpConfig(channel: string): string {
  const server = { command: 'berthctl', args: ['mcp', '--channel', channel] };
  return JSON.stringify({ mcpServers: { berth: server } }, null, 2);
}

/** A path as one word of a command substitution, whose own quotes begin anew. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
