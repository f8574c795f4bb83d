/**
 * Looks at every screen: plays each scene over the fixture in both themes and at both sizes, under the app's content security
 * policy and with its frozen `Object.prototype`, checks it with axe, and leaves pictures. `npm run look -- [folder]
 * [scene …]`, with `LOOK=light-1280` for one of the four looks alone; fails when a scene does not do what it should, axe finds anything, a page throws or the policy refuses something.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { chromium } from 'playwright-core';
import { build, preview } from 'vite';
import { MACHINES } from './scenes-machines.mjs';
import { WINDOW } from './scenes-window.mjs';
import { WORKBENCH } from './scenes-workbench.mjs';

const [folder = 'shots', ...only] = process.argv.slice(2);
const SIZES = [
  [1280, 800],
  [1920, 1080],
];
const FLAGS = [
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking',
  '--disable-component-update --disable-sync',
].flatMap((line) => line.split(' '));
const configFile = 'tests/fixture/vite.config.ts';
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const { security } = JSON.parse(readFileSync('../tauri.conf.json', 'utf8')).app;

mkdirSync(folder, { recursive: true });
await build({ configFile, logLevel: 'warn' });
const server = await preview({ configFile, logLevel: 'warn' });
const { port } = server.httpServer.address();

/** What the sandbox of the fixture serves. */
const page = readFileSync('tests/fixture/page.html');
const gateway = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end(page));
await new Promise((resolve) => gateway.listen(0, '127.0.0.1', resolve));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: FLAGS,
});
let faults = 0;

async function look(name, { scene = 'channel', tab, act }, [width, height], theme) {
  // Before the engine has answered, the window is as the system is.
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: 'reduce',
  });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const window = await context.newPage();
  window.setDefaultTimeout(15_000);
  const title = `${name}-${theme}-${width}`;
  const fault = (text) => {
    faults += 1;
    console.error(`${title}: ${text.slice(0, 700)}`);
  };
  window.on('pageerror', (error) => fault(error.stack ?? error.message));
  window.on('console', (message) => message.type() === 'error' && fault(message.text()));
  if (security.freezePrototype) await window.addInitScript(() => Object.freeze(Object.prototype));
  const query = new URLSearchParams({ scene, theme, gateway: gateway.address().port });
  await window.goto(`http://127.0.0.1:${port}/?${query}`);
  try {
    await window.waitForSelector('main');
    if (tab) {
      await window.getByRole('button', { name: 'landing-page' }).click();
      await window.getByRole('tab', { name: tab }).click();
    }
    await window.evaluate(() => document.fonts.ready);
    await act?.(window, { shot: (part) => window.screenshot({ path: `${folder}/${title}-${part}.png` }) });
  } catch (error) {
    fault(error.stack);
  }
  // What is told only once a wait is felt is there then.
  await window.waitForTimeout(350);
  await window.screenshot({ path: `${folder}/${title}.png` });
  for (const violation of await violations(window)) fault(violation);
  await context.close();
}

/** What axe finds on a page, one line a finding. */
async function violations(window) {
  await window.evaluate(axe);
  return window.evaluate(async () => {
    // What a program prints dim is dim.
    const { violations: found } = await globalThis.axe.run(
      { exclude: ['.xterm-dim'] },
      {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
        // It would put styles into the page that the policy refuses.
        preload: false,
        // A preview's page is not ours.
        iframes: false,
      },
    );
    return found.map(({ id, nodes }) => {
      const where = nodes
        .slice(0, 3)
        .map((node) => `${node.target.join(' ')} (${node.any[0]?.message ?? node.failureSummary})`);
      return `axe ${id}: ${where.join(' | ')}`;
    });
  });
}

const wanted = [...Object.entries(WINDOW), ...Object.entries(WORKBENCH), ...Object.entries(MACHINES)]
  .filter(([name]) => only.length === 0 || only.includes(name))
  .flatMap(([name, one]) => (one.sizes ?? SIZES).flatMap((size) => [[name, one, size]]))
  .flatMap((run) => ['light', 'dark'].map((theme) => [...run, theme]))
  .filter(([, , [width], theme]) => [undefined, `${theme}-${width}`].includes(process.env.LOOK));
const workers = Array.from({ length: availableParallelism() }, async () => {
  for (let run = wanted.shift(); run; run = wanted.shift()) await look(...run);
});
await Promise.all(workers);

await browser.close();
gateway.close();
await server.close();
console.log(faults === 0 ? `Everything in order; pictures in ${folder}.` : `${faults} faults.`);
process.exit(faults === 0 ? 0 : 1);
