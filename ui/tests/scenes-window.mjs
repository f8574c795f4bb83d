/** The window's screens: a scene of the fixture, and what to do in it first. */
const menu = (label) => async (page) => {
  await page.getByRole('button', { name: 'More about this channel' }).click();
  await page.getByRole('menuitem', { name: label }).click();
};

/** Where the channel's state is told. */
const header = (page) => page.locator('header', { has: page.getByRole('heading', { level: 1 }) });

const summon = (page) =>
  page.evaluate(() => window.fixture.emit({ kind: 'focus', channel: 'id-landing-page', port: 5173 }));

const inLanding = (act) => async (page, more) => {
  await page.getByRole('button', { name: 'landing-page' }).click();
  await act?.(page, more);
};

export const WINDOW = {
  create: {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'New channel' }).click();
      await page.getByLabel('Channel name').fill('My first try');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Setting up my-first-try' }).waitFor();
    },
  },
  keyboard: {
    scene: 'channel',
    act: inLanding(async (page) => {
      const inside = () =>
        page.evaluate(() => document.activeElement?.closest('[data-region]')?.getAttribute('aria-label'));
      const visited = [];
      for (let region = 0; region < 3; region += 1) {
        await page.keyboard.press('F6');
        visited.push(await inside());
      }
      if (new Set(visited).size !== 3) throw new Error(`F6 went to ${visited.join(', ')}`);
      await page.getByLabel('Message to').focus();
      await page.keyboard.type('first');
      await page.keyboard.press('Enter');
      await page.getByRole('log').getByText('first', { exact: true }).waitFor();
      await page.keyboard.press('ArrowUp');
      if ((await page.getByLabel('Message to').inputValue()) !== 'first') throw new Error('no history');
      await page.keyboard.press('Control+3');
      await page.getByRole('tab', { name: 'Terminal', selected: true }).waitFor();
    }),
  },
  long: {
    scene: 'long',
    act: inLanding(async (page) => {
      const log = page.getByRole('log');
      await page.getByText('Message 450').waitFor();
      await log.evaluate((view) => (view.scrollTop = 0));
      await page.getByText('Message 300', { exact: true }).waitFor();
      await page.evaluate(() =>
        window.fixture.emit({
          kind: 'entry',
          entry: {
            id: 'late',
            channel: 'id-landing-page',
            at: Date.now(),
            seq: 500,
            author: { kind: 'agent', name: 'claude-code' },
            body: { kind: 'message', text: 'Late.' },
          },
        }),
      );
      await page.getByRole('button', { name: '1 new entry' }).waitFor();
    }),
  },
  welcome: { scene: 'welcome' },
  looking: { scene: 'looking' },
  // With only the untouched form on screen, an agent's preview comes to the front.
  summoned: {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'New channel' }).click();
      await summon(page);
      await page.getByRole('tab', { name: 'Preview', selected: true }).waitFor();
    },
  },
  // Somebody who types stays where they are, and sees that there is something.
  undisturbed: {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'checkout-api' }).click();
      await page.getByLabel('Message to').fill('half a sen');
      await summon(page);
      await page.getByRole('button', { name: 'landing-page Running 1 new' }).waitFor();
      await page.keyboard.type('tence');
      if ((await page.getByLabel('Message to checkout-api').inputValue()) !== 'half a sentence')
        throw new Error('the words went elsewhere');
    },
  },
  down: {
    scene: 'down',
    act: inLanding(async (page) => {
      await page.getByRole('tab', { name: 'Preview' }).click();
      await page.getByText('ready in').waitFor();
    }),
  },
  served: {
    scene: 'fresh',
    act: async (page) => {
      await page.getByRole('tab', { name: 'Preview' }).click();
      await page.getByRole('button', { name: 'Run a command…' }).click();
      await page.keyboard.type('npm start');
      if ((await page.getByLabel('Message to').inputValue()) !== '/job npm start')
        throw new Error('the caret is not behind /job');
    },
  },
  'welcome-git': {
    scene: 'welcome',
    act: async (page) => {
      await page.getByRole('radio', { name: 'From Git' }).check({ force: true });
      await page.getByLabel('Channel name').fill('');
      await page.getByRole('button', { name: 'Create channel' }).click();
    },
  },
  refused: { scene: 'refused' },
  starting: { scene: 'starting' },
  failed: { scene: 'failed' },
  fresh: { scene: 'fresh' },
  channel: {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'landing-page' }).click();
      await page.getByRole('tab', { name: 'Files' }).click();
      await page.getByRole('button', { name: /Edited/ }).click();
      await page.getByRole('log').evaluate((log) => (log.scrollTop = 0));
    },
  },
  'channel-end': {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'landing-page' }).click();
      await page.getByRole('button', { name: /Ran npm test/ }).click();
      await page.getByRole('tab', { name: 'Terminal' }).click();
    },
  },
  live: {
    scene: 'live',
    act: async (page) => {
      await page.getByRole('button', { name: 'landing-page' }).click();
      await page.evaluate(() =>
        window.fixture.emit({
          kind: 'output',
          channel: 'id-landing-page',
          action: 'live',
          text: 'added 212 packages in 2s\n\u001b[33mnpm warn\u001b[0m deprecated inflight@1.0.6\n',
        }),
      );
    },
  },
  job: {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'landing-page' }).click();
      await page.getByRole('button', { name: /Running npm run dev/ }).click();
      await page.getByRole('button', { name: '1 job' }).click();
    },
  },
  activity: {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'landing-page' }).click();
      await page.getByRole('tab', { name: 'Activity' }).click();
      await page
        .getByRole('tabpanel', { name: 'activity' })
        .getByRole('button', { name: /npm test/ })
        .click();
    },
  },
  commands: { scene: 'fresh', act: (page) => page.getByLabel('Message to').fill('/') },
  help: {
    scene: 'fresh',
    act: async (page) => {
      await page.getByLabel('Message to').fill('/help');
      await page.keyboard.press('Enter');
    },
  },
  asleep: {
    scene: 'asleep',
    act: async (page) => {
      await page.getByLabel('Message to').fill('/run npm test');
      await page.keyboard.press('Enter');
    },
  },
  palette: {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'landing-page' }).click();
      await page.keyboard.press('Control+k');
      await page.keyboard.type('s');
      await page.waitForTimeout(300);
    },
  },
  'palette-files': {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'landing-page' }).click();
      await page.keyboard.press('Control+k');
      await page.keyboard.type('main');
      await page.waitForTimeout(300);
    },
  },
  menu: {
    scene: 'fresh',
    act: (page) => page.getByRole('button', { name: 'More about this channel' }).click(),
  },
  rename: { scene: 'fresh', act: menu('Rename') },
  agent: { scene: 'fresh', act: menu('Connect an agent') },
  ssh: { scene: 'fresh', act: menu('SSH access') },
  inside: { scene: 'fresh', act: menu('What is inside') },
  destroy: { scene: 'fresh', act: menu('Delete channel') },
  // What a sleep would end is named first, wherever it was asked for.
  sleep: {
    scene: 'busy',
    act: inLanding(async (page) => {
      const asked = page.getByRole('dialog', { name: 'Put landing-page to sleep?' });
      const keep = async () => {
        await asked.getByText('and 2 more jobs').waitFor();
        await page.waitForFunction(() => document.activeElement?.textContent.trim() === 'Keep it running');
        await page.keyboard.press('Enter');
        await asked.waitFor({ state: 'detached' });
      };
      await page.keyboard.press('Control+k');
      await page.keyboard.type('sleep');
      await page.keyboard.press('Enter');
      await keep();
      await menu('Sleep')(page);
      await keep();
      if ((await page.evaluate(() => window.fixture.calls)).includes('sandbox.sleep'))
        throw new Error('it was put to sleep');
      await header(page).getByRole('button', { name: 'Sleep' }).click();
      await asked.waitFor();
    }),
  },
  'sleep-terminal': {
    scene: 'channel',
    act: inLanding(async (page, { shot }) => {
      await page.getByRole('tab', { name: 'Terminal' }).click();
      await page.locator('.xterm-rows', { hasText: 'dev@landing-page' }).waitFor();
      await header(page).getByRole('button', { name: 'Sleep' }).click();
      await page.getByRole('dialog').getByText('The open terminal').waitFor();
      await shot('asked');
      await page.getByRole('button', { name: 'Put to sleep' }).click();
      await header(page).getByText('Asleep').waitFor();
      // Where nothing ends, nothing is asked.
      await page.getByRole('button', { name: 'checkout-api' }).click();
      await header(page).getByRole('button', { name: 'Sleep' }).click();
      await header(page).getByText('Asleep').waitFor();
    }),
  },
  'settings-space': {
    scene: 'channel',
    act: (page) => page.getByRole('button', { name: 'Settings' }).click(),
  },
  'settings-appearance': {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'Settings' }).click();
      await page.getByRole('button', { name: 'Appearance' }).click();
    },
  },
  'settings-agents': {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'Settings' }).click();
      await page.getByRole('button', { name: 'Agents' }).click();
    },
  },
  'settings-about': {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'Settings' }).click();
      await page.getByRole('button', { name: 'About' }).click();
    },
  },
  narrow: {
    scene: 'channel',
    sizes: [
      [820, 700],
      [900, 700],
    ],
    act: async (page) => {
      const sidebar = page.getByRole('button', { name: 'Show the sidebar' });
      if (await sidebar.isVisible()) await sidebar.click();
      await page.getByRole('button', { name: 'landing-page' }).click();
    },
  },
  offline: { scene: 'offline' },
};
