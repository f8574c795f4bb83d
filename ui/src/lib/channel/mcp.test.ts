import { expect, it } from 'vitest';
import { claudeCommand, mcpConfig } from './mcp';

it('names whole paths, so that it works in any shell', () => {
  expect(claudeCommand('/usr/bin/berthctl', 'shop')).toBe(
    'claude mcp add berth -- /usr/bin/berthctl mcp --channel shop',
  );
  expect(claudeCommand("/Ada's app/berthctl", 'shop')).toBe(
    `claude mcp add berth -- '/Ada'\\''s app/berthctl' mcp --channel shop`,
  );
});

it('configures any other client', () => {
  expect(JSON.parse(mcpConfig('/usr/bin/berthctl', 'shop'))).toEqual({
    mcpServers: { berth: { command: '/usr/bin/berthctl', args: ['mcp', '--channel', 'shop'] } },
  });
});
