/**
 * Operates the workbench in a browser over a made-up disk, under the app's content security policy and with a frozen
 * `Object.prototype`, and leaves pictures. `node tests/workbench.mjs [folder] [scene …]`; fails when something does not do
 * what it should, axe finds anything, a page throws or the policy refuses something.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';
import { build, preview } from 'vite';
import { axeViolations } from './axe.mjs';
import { SCENES } from './workbench-scenes.mjs';

const [folder = 'shots', ...only] = process.argv.slice(2);
const FLAGS = [
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking',
  '--disable-component-update --disable-sync',
].flatMap((line) => line.split(' '));
const configFile = 'tests/workbench-fixture/vite.config.ts';

mkdirSync(folder, { recursive: true });
await build({ configFile, logLevel: 'warn' });
const server = await preview({ configFile, logLevel: 'warn' });
const { port } = server.httpServer.address();
const page = readFileSync('tests/fixture/page.html');
const gateway = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end(page));
await new Promise((resolve) => gateway.listen(0, '127.0.0.1', resolve));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: FLAGS,
});
let faults = 0;

async function play(name, { act, scene = 'channel', tab = 'Files' }, [width, height], theme) {
  const context = await browser.newContext({ viewport: { width, height } });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const window = await context.newPage();
  window.setDefaultTimeout(6000);
  const title = `${name}-${theme}-${width}`;
  const fault = (text) => {
    faults += 1;
    console.error(`${title}: ${text.slice(0, 700)}`);
  };
  window.on('pageerror', (error) => fault(error.stack ?? error.message));
  window.on('console', (message) => message.type() === 'error' && fault(message.text()));
  await window.addInitScript(() => Object.freeze(Object.prototype));
  const query = new URLSearchParams({ scene, theme, gateway: gateway.address().port });
  await window.goto(`http://127.0.0.1:${port}/?${query}`);
  try {
    await window.getByRole('button', { name: 'landing-page' }).click();
    await window.getByRole('tab', { name: tab }).click();
    await window.evaluate(() => document.fonts.ready);
    await act?.(window, { shot: (part) => window.screenshot({ path: `${folder}/${title}-${part}.png` }) });
  } catch (error) {
    fault(error.stack);
  }
  await window.waitForTimeout(300);
  await window.screenshot({ path: `${folder}/${title}.png` });
  for (const violation of await axeViolations(window)) fault(violation);
  await context.close();
}

for (const [name, one] of Object.entries(SCENES)) {
  if (only.length > 0 && !only.includes(name)) continue;
  for (const size of one.large
    ? [
        [1280, 800],
        [1920, 1080],
      ]
    : [[1280, 800]]) {
    for (const theme of one.themes ?? ['light', 'dark']) await play(name, one, size, theme);
  }
}

await browser.close();
gateway.close();
await server.close();
console.log(faults === 0 ? `Everything in order; pictures in ${folder}.` : `${faults} faults.`);
process.exit(faults === 0 ? 0 : 1);
