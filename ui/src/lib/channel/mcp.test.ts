import { describe, expect, it } from 'vitest';
import { claudeCommand, mcpConfig } from './mcp';

describe('claudeCommand', () => {
  it('names whole paths, so that it works in any shell', () => {
    const door = { mcp_url: 'http://127.0.0.1:4611/mcp', mcp_token_file: '/home/ada/My data/mcp-token' };
    expect(claudeCommand(door, 'shop')).toBe(
      'claude mcp add --transport http berth http://127.0.0.1:4611/mcp/shop' +
        ` --header "Authorization: Bearer $(cat '/home/ada/My data/mcp-token')"`,
    );
  });

  it('goes by berthctl where nothing answers by HTTP', () => {
    const door = { mcp_url: null, mcp_token_file: null };
    expect(claudeCommand(door, 'shop')).toBe('claude mcp add berth -- berthctl mcp --channel shop');
  });
});

it('configures any other client', () => {
  expect(JSON.parse(mcpConfig('shop'))).toEqual({
    mcpServers: { berth: { command: 'berthctl', args: ['mcp', '--channel', 'shop'] } },
  });
});
