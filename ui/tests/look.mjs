/**
 * Looks at every screen: renders each scene of the fixture in both themes and sizes, under the app's content security
 * policy (and with a frozen `Object.prototype`, if the app freezes it), checks it with axe, and leaves pictures.
 * `npm run look -- [folder] [picture …]`; fails when axe finds anything, a page throws or the policy refuses something.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';
import { build, preview } from 'vite';
import { axeViolations } from './axe.mjs';
import { SHOTS } from './shots.mjs';

const [folder = 'shots', ...only] = process.argv.slice(2);
const BROWSER = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking',
  '--disable-component-update --disable-sync',
].flatMap((line) => line.split(' '));
const configFile = 'tests/fixture/vite.config.ts';

const { security } = JSON.parse(readFileSync('../tauri.conf.json', 'utf8')).app;

mkdirSync(folder, { recursive: true });
await build({ configFile, logLevel: 'warn' });
const server = await preview({ configFile, logLevel: 'warn' });
const { port } = server.httpServer.address();

/** What the sandbox of the fixture serves. */
const page = readFileSync('tests/fixture/page.html');
const gateway = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end(page));
await new Promise((resolve) => gateway.listen(0, '127.0.0.1', resolve));

const browser = await chromium.launch({ executablePath: BROWSER, args: FLAGS });
let faults = 0;

async function look(name, { scene, act }, [width, height], theme) {
  const context = await browser.newContext({ viewport: { width, height }, reducedMotion: 'reduce' });
  const window = await context.newPage();
  const title = `${name}-${theme}-${width}`;
  const fault = (text) => {
    faults += 1;
    console.error(`${title}: ${text.slice(0, 400)}`);
  };
  window.on('pageerror', (error) => fault(error.stack ?? error.message));
  window.on('console', (message) => message.type() === 'error' && fault(message.text()));
  if (security.freezePrototype) await window.addInitScript(() => Object.freeze(Object.prototype));
  const query = new URLSearchParams({ scene, theme, gateway: gateway.address().port });
  await window.goto(`http://127.0.0.1:${port}/?${query}`);
  try {
    await window.waitForSelector('main');
    await window.evaluate(() => document.fonts.ready);
    await window.waitForTimeout(200);
    await act?.(window);
  } catch (error) {
    fault(error.message);
  }
  await window.waitForTimeout(200);
  await window.screenshot({ path: `${folder}/${title}.png` });
  for (const violation of await axeViolations(window)) fault(violation);
  await context.close();
}

for (const [name, shot] of Object.entries(SHOTS)) {
  if (only.length > 0 && !only.includes(name)) continue;
  for (const size of shot.sizes ?? [[1280, 800]]) {
    for (const theme of ['light', 'dark']) await look(name, shot, size, theme);
  }
}

await browser.close();
gateway.close();
await server.close();
console.log(faults === 0 ? `Everything in order; pictures in ${folder}.` : `${faults} faults.`);
process.exit(faults === 0 ? 0 : 1);
