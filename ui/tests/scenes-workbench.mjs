/** What is done in the workbench, and what must come of it. */
import assert from 'node:assert/strict';

const row = (page, name) => page.getByRole('treeitem', { name, exact: true });
const tree = (page) => page.getByRole('tree', { name: 'Files' });
const editor = (page) => page.locator('.cm-content').last();
const disk = (page, path) => page.evaluate((path) => window.fixture.disk.read(path), path);
const other = (page, path, text) =>
  page.evaluate(([path, text]) => window.fixture.disk.write(path, text), [path, text]);
const fixture = (page, what) => page.evaluate((what) => window.fixture[what], what);
const until = async (look, wanted) => {
  for (let n = 0; ; n += 1) {
    const found = await look();
    try {
      assert.deepEqual(found, wanted);
      return;
    } catch (error) {
      if (n > 40) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

const SCENES = {
  files: {
    act: async (page) => {
      await row(page, 'public').click();
      await row(page, 'src').click();
      await row(page, 'index.html').click();
      await page.getByText('A place to tie up').last().waitFor();
      await page.waitForSelector('.tok-typeName');
    },
  },
  odd: {
    act: async (page) => {
      await row(page, 'odd').click();
      await row(page, 'caf\\xE9.txt').waitFor();
      await row(page, 'evil\\u202Etxt.exe').waitFor();
      await page.getByRole('treeitem', { name: /^latest.*link to \.\.\/src\/index\.html$/ }).waitFor();
      await page.getByRole('treeitem', { name: /^node_modules ?, ignored by Git$/ }).waitFor();
    },
  },
  many: {
    act: async (page) => {
      const began = Date.now();
      await row(page, 'many').click();
      await row(page, 'photo-000000.jpg').waitFor();
      console.log(`100,000 entries open in ${Date.now() - began} ms`);
      await tree(page).focus();
      await page.keyboard.press('End');
      await row(page, 'tool').waitFor();
      await tree(page).evaluate((element) => (element.scrollTop = element.scrollHeight / 2));
      await page.waitForFunction(() => document.querySelectorAll('.row.entry').length > 20);
      const frames = await tree(page).evaluate(async (element) => {
        const times = [];
        let last = performance.now();
        for (let n = 0; n < 60; n += 1) {
          element.scrollTop += 700;
          await new Promise((resolve) => requestAnimationFrame(resolve));
          times.push(performance.now() - last);
          last = performance.now();
        }
        return times.sort((a, b) => a - b);
      });
      console.log(
        `scrolling: median ${Math.round(frames[30])} ms a frame, worst ${Math.round(frames[59])} ms`,
      );
      assert.ok((await page.locator('[role=treeitem]').count()) < 100);
      const middle = page.locator('[role=treeitem][aria-setsize="100000"]').first();
      assert.equal(await middle.getAttribute('aria-level'), '2');
      const calls = (await fixture(page, 'calls')).filter((name) => name === 'action.list').length;
      console.log(`${calls} listings`);
    },
  },
  'tree-keyboard': {
    act: async (page) => {
      const active = () =>
        page.evaluate(() => {
          const id = document.querySelector('[role=tree]').getAttribute('aria-activedescendant');
          return document.getElementById(id)?.querySelector('.name')?.textContent ?? null;
        });
      await tree(page).focus();
      const press = async (key, expected) => {
        await page.keyboard.press(key);
        await until(active, expected);
      };
      await until(active, 'many');
      await press('ArrowUp', 'many');
      await press('s', 'src');
      await press('ArrowRight', 'src');
      await row(page, 'main.ts').waitFor();
      await press('ArrowRight', 'index.html');
      await press('ArrowDown', 'main.ts');
      await press('ArrowLeft', 'src');
      await press('ArrowLeft', 'src');
      await until(() => row(page, 'main.ts').count(), 0);
      await press('End', 'tool');
      await press('Home', 'many');
      await page.keyboard.type('pack');
      await until(active, 'package.json');
      await page.keyboard.press('Enter');
      await page.getByText('"landing-page"').last().waitFor();
      // Rename.
      await tree(page).focus();
      await page.keyboard.press('F2');
      await page.getByLabel('New name of package.json').fill('README.md');
      await page.keyboard.press('Enter');
      await page.getByRole('alert').getByText('already').waitFor();
      await page.getByLabel('New name of package.json').fill('manifest.json');
      await page.keyboard.press('Enter');
      await row(page, 'manifest.json').waitFor();
      await until(active, 'manifest.json');
      assert.equal(await disk(page, 'package.json'), null);
      await page.locator('.last', { hasText: 'manifest.json' }).waitFor();
      // Delete asks.
      await page.keyboard.press('Delete');
      await page.getByRole('dialog').getByText('cannot be undone').waitFor();
      await page.getByRole('button', { name: 'Delete', exact: true }).click();
      await until(() => row(page, 'manifest.json').count(), 0);
      assert.equal(await disk(page, 'manifest.json'), null);
      await page.getByText('No file is open').waitFor();
      // The menu key.
      await tree(page).focus();
      await page.keyboard.press('Home');
      await page.keyboard.press('Shift+F10');
      await page.getByRole('menuitem', { name: 'New file…' }).click();
      await page.getByLabel('Name of the new file').fill('deep/er/note.md');
      await page.keyboard.press('Enter');
      await until(() => disk(page, 'many/deep/er/note.md'), '');
    },
  },
  'entry-menu': {
    act: async (page) => {
      await row(page, 'README.md').click({ button: 'right' });
      await page.getByRole('menu').waitFor();
    },
  },
  new: {
    act: async (page, { shot }) => {
      await page.getByRole('button', { name: 'New folder' }).click();
      await page.getByLabel('Name of the new folder').fill("it's here");
      await page.keyboard.press('Enter');
      await row(page, "it's here").waitFor();
      await page.getByRole('button', { name: 'New file' }).click();
      await page.getByLabel('Name of the new file').fill('../escape');
      await page.keyboard.press('Enter');
      await page.getByRole('alert').waitFor();
      await shot('refused');
      await page.getByLabel('Name of the new file').fill('notes.md');
      await page.keyboard.press('Enter');
      await row(page, 'notes.md').waitFor();
      await editor(page).click();
      await page.keyboard.type('# Notes\n\nTab leaves with Escape.');
      await page.getByText('Unsaved').waitFor();
      await shot('unsaved');
      await page.keyboard.press('Control+s');
      await until(() => disk(page, 'notes.md'), '# Notes\n\nTab leaves with Escape.');
      await page.getByText('Unsaved').waitFor({ state: 'detached' });
    },
  },
  leaving: {
    act: async (page) => {
      await row(page, 'README.md').click();
      await editor(page).click();
      await page.keyboard.type('changed ');
      await row(page, 'package.json').click();
      await page.getByRole('dialog').getByText('README.md').waitFor();
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.locator('.last', { hasText: 'README.md' }).waitFor();
      // Another channel and back: nothing is lost.
      await page.getByRole('button', { name: 'checkout-api' }).click();
      await page.getByRole('button', { name: 'landing-page' }).click();
      await page.locator('.cm-content', { hasText: 'changed' }).last().waitFor();
      await row(page, 'package.json').click();
      await page.getByRole('dialog').waitFor();
    },
  },
  follow: {
    act: async (page) => {
      await row(page, 'README.md').click();
      await page.getByText('Forty berths').last().waitFor();
      await other(page, 'README.md', '# Landing page\n\nFifty berths.\n');
      await page.locator('.cm-line', { hasText: 'Fifty berths.' }).waitFor();
      await page.getByText('Updated from disk').waitFor();
      await other(page, 'from-agent.txt', 'x');
      await row(page, 'from-agent.txt').waitFor();
    },
  },
  changed: {
    act: async (page) => {
      await row(page, 'README.md').click();
      await editor(page).click();
      await page.keyboard.type('mine ');
      await other(page, 'README.md', '# Theirs\n');
      await page.getByText('changed on disk while').waitFor();
    },
  },
  conflict: {
    act: async (page) => {
      await row(page, 'src').click();
      await row(page, 'index.html').click();
      await editor(page).click();
      await page.keyboard.press('Control+Home');
      await page.keyboard.type('<!-- mine -->\n');
      const before = await disk(page, 'src/index.html');
      await page.evaluate(
        (text) => {
          // Unheard: the save itself finds out.
          const { touch } = window.fixture.disk;
          window.fixture.disk.touch = () => undefined;
          window.fixture.disk.write('src/index.html', text);
          window.fixture.disk.touch = touch;
        },
        before.replace('A place to tie up', 'A place to stay').replace('prices', 'prices of all berths'),
      );
      await page.keyboard.press('Control+s');
      await page.getByRole('button', { name: 'Keep mine' }).waitFor();
      await page.waitForTimeout(200);
    },
  },
  'conflict-keep': {
    act: async (page) => {
      await row(page, 'README.md').click();
      await editor(page).click();
      await page.keyboard.type('mine ');
      await other(page, 'README.md', '# Theirs\nand more\n');
      await page.keyboard.press('Control+s');
      await page.getByRole('button', { name: 'Take this change' }).first().click();
      await page.locator('.cm-merge-b .cm-content').click();
      await page.keyboard.press('Control+End');
      await page.keyboard.type('both');
      await page.getByRole('button', { name: 'Keep mine' }).click();
      await until(() => disk(page, 'README.md'), '# Theirs\nand more\nboth');
      await page.getByText('Unsaved').waitFor({ state: 'detached' });
    },
  },
  'conflict-take': {
    act: async (page) => {
      await row(page, 'README.md').click();
      await editor(page).click();
      await page.keyboard.type('mine ');
      await other(page, 'README.md', '# Theirs\n');
      await page.getByRole('button', { name: 'Compare' }).click();
      await page.getByRole('button', { name: 'Take theirs' }).click();
      await page.locator('.cm-line', { hasText: '# Theirs' }).waitFor();
      await editor(page).click();
      await page.keyboard.press('Control+z');
      await page.locator('.cm-line', { hasText: 'mine ' }).waitFor();
    },
  },
  gone: {
    act: async (page) => {
      await row(page, 'README.md').click();
      await page.getByText('Forty berths').last().waitFor();
      await page.evaluate(() => window.fixture.disk.remove('README.md'));
      await page.getByText('gone from disk').waitFor();
    },
  },
  search: {
    act: async (page) => {
      await row(page, 'src').click();
      await row(page, 'index.html').click();
      await editor(page).click();
      await page.keyboard.press('Control+f');
      await page.keyboard.type('hero');
      await page.waitForSelector('.cm-searchMatch');
    },
  },
  image: { act: (page) => row(page, 'logo.svg.png').click() },
  binary: { act: (page) => row(page, 'tool').click() },
  'long-file': {
    act: async (page) => {
      await row(page, 'server.log').click();
      await page.getByText('Only the first 2000 lines of 812,345').waitFor();
    },
  },
  filter: {
    act: async (page) => {
      await row(page, 'src').click();
      await row(page, 'main.ts').waitFor();
      await page.getByLabel('Filter the files').fill('ma');
      await row(page, 'main.ts').waitFor();
      await until(() => row(page, 'package.json').count(), 0);
    },
  },
  unlisted: {
    act: async (page) => {
      await page.evaluate(() => {
        const { call } = window.fixture;
        window.fixture.call = (name, request) =>
          name === 'action.list' && request.path?.endsWith('/src')
            ? Promise.reject({ code: 'failed', message: 'Permission denied.', causes: [] })
            : call.call(window.fixture, name, request);
      });
      await row(page, 'src').click();
      await page.getByText('Permission denied.').waitFor();
    },
  },
  terminal: {
    tab: 'Terminal',
    act: async (page) => {
      await page.locator('.xterm-rows', { hasText: 'dev@landing-page' }).waitFor();
      await page.evaluate(() => {
        const colours = Array.from(
          { length: 8 },
          (_, n) => `\x1b[3${n}mcolour ${n}\x1b[0m \x1b[9${n}mbright\x1b[0m`,
        );
        const truecolor = '\x1b[38;2;255;120;0mtruecolour\x1b[0m \x1b[48;2;0;90;140m back \x1b[0m';
        const text = `npm run dev\r\n\r\n  \x1b[32m\x1b[1mVITE\x1b[0m ready in \x1b[1m212\x1b[0m ms\r\n  ➜  Local:   \x1b[36mhttp://localhost:5173/\x1b[0m\r\n${colours.join('\r\n')}\r\n${truecolor}\r\n你好 ünïcödé ┌──┐ 🎉\r\n\x1b[7minverse\x1b[0m \x1b[4munderline\x1b[0m \x1b[2mdim\x1b[0m \x1b[3mitalic\x1b[0m\r\n`;
        window.fixture.terminal.bytes(new TextEncoder().encode(text));
        // Hostile: a title, a clipboard write, a link that lies.
        const bad =
          '\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07\r\n$ ';
        window.fixture.terminal.bytes(new TextEncoder().encode(bad));
      });
      await page.locator('.xterm-rows', { hasText: 'click' }).waitFor();
      await page.getByRole('tab', { name: 'Files' }).click();
      await page.getByRole('tab', { name: 'Terminal' }).click();
      await page.locator('.xterm').click();
      await page.keyboard.type('ls');
      await until(async () => (await fixture(page, 'typed')).join(''), 'ls');
      assert.equal(await page.title(), 'landing-page · Berth');
      // The clipboard is one for all that are looked at.
      assert.notEqual(await page.evaluate(() => navigator.clipboard.readText()), 'owned');
      const at = await page.getByText('http://localhost:5173/').last().boundingBox();
      await page.mouse.move(at.x + 12, at.y + 6);
      await page.getByText('click opens http://localhost:5173/').waitFor();
      await page.mouse.click(at.x + 12, at.y + 6);
      assert.deepEqual(await fixture(page, 'opened'), []);
      await page.keyboard.down('Control');
      await page.mouse.click(at.x + 12, at.y + 6);
      await page.keyboard.up('Control');
      await until(() => fixture(page, 'opened'), ['http://localhost:5173/']);
      await page.mouse.dblclick(at.x + 12, at.y + 6);
      await page.keyboard.press('Control+Shift+C');
      await until(
        async () => (await page.evaluate(() => navigator.clipboard.readText())).includes('http'),
        true,
      );
      await page.keyboard.press('Control+Shift+V');
      await until(async () => (await fixture(page, 'typed')).join('').includes('http'), true);
    },
  },
  // What runs in a terminal goes on while Settings are open.
  kept: {
    tab: 'Terminal',
    act: async (page) => {
      await page.locator('.xterm-rows', { hasText: 'dev@landing-page' }).waitFor();
      await page.locator('.xterm').click();
      await page.keyboard.type('top');
      await page.getByRole('button', { name: 'Settings' }).click();
      await page.getByRole('heading', { name: 'Space' }).waitFor();
      await page.evaluate(() => window.fixture.terminal.bytes(new TextEncoder().encode(' went on')));
      await page.getByRole('button', { name: 'landing-page' }).click();
      await page.locator('.xterm-rows', { hasText: 'top went on' }).waitFor();
      assert.equal(await page.locator('.xterm').count(), 1);
    },
  },
  ended: {
    tab: 'Terminal',
    act: async (page) => {
      await page.locator('.xterm-rows', { hasText: 'dev@landing-page' }).waitFor();
      await page.locator('.xterm').click();
      await page.keyboard.press('Control+d');
      await page.getByText('The shell ended with code 0.').waitFor();
      await page.getByRole('button', { name: 'Start another' }).click();
      await page.getByText('The shell ended').waitFor({ state: 'detached' });
      await page.keyboard.press('Control+d');
      await page.getByText('The shell ended').waitFor();
    },
  },
  preview: {
    tab: 'Preview',
    act: async (page) => {
      await page.frameLocator('iframe').getByText('Book a berth').waitFor();
      await page.getByLabel('Path').fill('/prices');
      await page.keyboard.press('Enter');
      await until(async () => (await page.locator('iframe').getAttribute('src')).endsWith('/prices'), true);
      await page.getByRole('button', { name: 'Back' }).click();
      await until(async () => (await page.locator('iframe').getAttribute('src')).endsWith('/prices'), false);
      await page.getByRole('button', { name: 'Open in the browser' }).click();
      assert.equal((await fixture(page, 'opened')).length, 1);
      await page.getByLabel('Path').fill('https://example.org/');
      await page.keyboard.press('Enter');
      await page.getByText('Only pages of port 5173').waitFor();
      await page.keyboard.press('Escape');
      await page.frameLocator('iframe').getByText('Book a berth').waitFor();
    },
  },
  phone: {
    tab: 'Preview',
    act: async (page) => {
      await page.getByRole('button', { name: /^Screen/ }).click();
      await page.getByRole('menuitem', { name: 'Phone' }).click();
      await page.frameLocator('iframe').getByText('Book a berth').waitFor();
    },
  },
  laptop: {
    tab: 'Preview',
    act: async (page) => {
      await page.getByRole('button', { name: /^Screen/ }).click();
      await page.getByRole('menuitem', { name: 'Laptop' }).click();
      await page.frameLocator('iframe').getByText('Book a berth').waitFor();
    },
  },
  // What takes long can be given up.
  slow: {
    scene: 'slow',
    act: async (page, { shot }) => {
      await page.getByText('Listing the files').waitFor();
      await page.getByRole('button', { name: 'Cancel' }).waitFor();
      await shot('files');
      await page.getByRole('button', { name: 'Cancel' }).press('Enter');
      await page.getByText('The files could not be listed').waitFor();
      assert.equal(await page.evaluate(() => document.activeElement?.textContent.trim()), 'Retry');
      const { x, y, width, height } = await page.getByRole('region', { name: 'File list' }).boundingBox();
      await page.evaluate(
        (at) => window.fixture.drag.drop(...at, ['/home/ada/logo.svg']),
        [x + width / 2, y + height - 60],
      );
      await page.getByText('Looking at what is there already').waitFor();
      await page.getByRole('button', { name: 'Cancel' }).waitFor();
      await shot('looking');
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.getByText('Looking at what is there already').waitFor({ state: 'detached' });
      await page.getByRole('tab', { name: 'Terminal' }).click();
      await page.getByRole('button', { name: 'Cancel' }).press('Enter');
      await page.getByText('No shell could be started').waitFor();
      assert.equal(await page.evaluate(() => document.activeElement?.textContent.trim()), 'Try again');
      assert.equal((await fixture(page, 'calls')).filter((name) => name === 'transfer.upload').length, 0);
    },
  },
  nothing: {
    scene: 'asleep',
    tab: 'Preview',
  },
  'files-asleep': { scene: 'asleep' },
  'terminal-asleep': { scene: 'asleep', tab: 'Terminal' },
};

export const WORKBENCH = Object.fromEntries(
  Object.entries(SCENES).map(([name, one]) => [name, { scene: 'disk', tab: 'Files', ...one }]),
);
