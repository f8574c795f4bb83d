/** Machines of one's own, what they ask, and what goes to and from a sandbox. */
import assert from 'node:assert/strict';

const settings = (act) => async (page) => {
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Machines' }).click();
  await act?.(page);
};
const landing = (act) => async (page, more) => {
  await page.getByRole('button', { name: 'landing-page' }).click();
  await act?.(page, more);
};
const files = (act) =>
  landing(async (page, more) => {
    await page.getByRole('tab', { name: 'Files' }).click();
    await page.getByRole('treeitem', { name: 'package.json' }).waitFor();
    await act?.(page, more);
  });
/** Where the channel's state is told. */
const header = (page) => page.locator('header', { has: page.getByRole('heading', { level: 1 }) });
const calls = async (page, name) =>
  (await page.evaluate(() => window.fixture.calls)).filter((call) => call === name).length;
const focused = (page) =>
  page.evaluate(() => {
    const { activeElement } = document;
    return activeElement?.getAttribute('aria-label') ?? activeElement?.textContent.trim();
  });
const middle = async (locator) => {
  const { x, y, width, height } = await locator.boundingBox();
  return [x + width / 2, y + height / 2];
};
const fromPalette = (words) => async (page) => {
  await page.keyboard.press('Control+k');
  await page.keyboard.type(words);
  await page.keyboard.press('Enter');
};
const question = (act) => async (page) => {
  await page.getByRole('dialog').waitFor();
  await act?.(page);
};

export const MACHINES = {
  'machines-empty': { scene: 'channel', act: settings() },
  machines: { scene: 'machines', act: settings() },
  'machines-add': {
    scene: 'machines',
    act: async (page) => {
      await fromPalette('add mach')(page);
      await page.getByRole('dialog').waitFor();
      await page.getByRole('button', { name: 'Add and check' }).click();
      await page.getByRole('alert').waitFor();
      await page.getByText('What of your SSH configuration is not understood').click();
    },
  },
  'machines-added': {
    scene: 'machines',
    act: settings(async (page) => {
      await page.getByRole('button', { name: 'Add a machine…' }).click();
      await page.getByRole('button', { name: 'staging' }).click();
      await page.getByRole('button', { name: 'Choose…' }).click();
      await page.getByLabel('Name (optional)').press('Enter');
      await page.getByRole('dialog').getByText('This machine can be a sandbox').last().waitFor();
      assert.equal(await focused(page), 'Done');
    }),
  },
  'machines-report': {
    scene: 'machines',
    act: settings(async (page) => {
      await page.getByRole('button', { name: 'Check machine gpu' }).click();
      await page.getByText('There and back in 18 ms').waitFor();
      await page.getByRole('button', { name: 'Copy as text' }).click();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'gpu can be a sandbox.');
    }),
  },
  'machines-failing': {
    scene: 'machines',
    act: settings(async (page) => {
      await page.getByRole('button', { name: 'Check machine build-box' }).click();
      await page.getByText('could not connect, because: nothing answers').last().waitFor();
    }),
  },
  // What Berth has not written down, a person takes out.
  'machines-changed-key': {
    scene: 'key-in-file',
    act: settings(async (page) => {
      await page.getByRole('button', { name: 'Check machine gpu' }).click();
      await page.getByText('Shown now').waitFor();
      assert.equal(await page.getByRole('button', { name: 'Forget the old key…' }).count(), 0);
      await page.getByRole('button', { name: 'Copy', exact: true }).click();
      assert.equal(
        await page.evaluate(() => navigator.clipboard.readText()),
        "ssh-keygen -f /home/ada/.ssh/known_hosts -R '[10.4.0.17]:2222'",
      );
    }),
  },
  'machines-checking': {
    scene: 'machines',
    act: async (page, { shot }) => {
      await settings()(page);
      await page.getByRole('button', { name: 'Add a machine…' }).click();
      await page.getByLabel('Address').fill('lab-07');
      await page.getByLabel('Address').press('Enter');
      await page.getByText('Signing in · 5 done').last().waitFor();
      await shot('dialog');
      await page.getByRole('button', { name: 'Done' }).click();
      await page.getByRole('button', { name: 'Cancel' }).press('Enter');
      await page.getByText('The check was given up').last().waitFor();
      assert.equal(await calls(page, 'check.cancel'), 1);
      assert.equal(await focused(page), 'Check machine lab-07');
      await shot('given-up');
      await page.keyboard.press('Enter');
      await page.getByText('Signing in · 5 done').last().waitFor();
      assert.equal(await focused(page), 'Check machine lab-07');
      await shot('card');
      // What is wrong is told at once.
      await page.evaluate(() =>
        window.fixture.emit({
          kind: 'checking',
          of: { kind: 'machine', id: 'm-lab-07' },
          checks: ['Network', 'Space'].map((label) => ({
            id: label,
            label,
            ok: label === 'Network',
            optional: false,
            overtaken: false,
            detail: label === 'Network' ? 'It answers.' : 'No room is left in the home folder.',
            duration_ms: 12,
          })),
        }),
      );
      await page.getByText('No room is left').first().waitFor();
      await page.getByText('All checks so far').waitFor();
    },
  },
  'machines-edit': {
    scene: 'machines',
    act: settings(async (page) => {
      await page.getByRole('button', { name: 'Edit gpu' }).click();
      await page.getByLabel('Name (optional)').fill('big-gpu');
      await page.getByRole('button', { name: 'Save and check' }).click();
      await page.getByRole('button', { name: 'Done' }).click();
      await page.getByRole('heading', { name: 'big-gpu' }).waitFor();
      await page.getByRole('button', { name: 'Edit big-gpu' }).click();
    }),
  },
  'destroy-machine': {
    scene: 'machines',
    act: landing(async (page) => {
      await page.getByRole('button', { name: 'More about this channel' }).click();
      await page.getByRole('menuitem', { name: 'Delete channel…' }).click();
      await page.getByText('Its files stay on gpu').waitFor();
    }),
  },
  'machines-remove': {
    scene: 'machines',
    act: settings(async (page) => {
      await page.getByRole('button', { name: 'Remove gpu' }).click();
      await page.getByText('Channels on a machine are deleted first: landing-page.').waitFor();
      assert.equal(await page.getByRole('button', { name: 'Remove machine' }).count(), 0);
    }),
  },
  // The longest name there can be, without a place to break it.
  'machines-long': {
    scene: 'machines',
    act: settings(async (page) => {
      await page.evaluate(() =>
        window.fixture.emit({
          kind: 'machines',
          machines: [
            { id: 'm', name: 'w'.repeat(60), address: 'a'.repeat(200), identity: null, created_at: 0 },
          ],
        }),
      );
      await page.getByRole('button', { name: /^Remove w/ }).click();
    }),
  },
  'create-machine': {
    scene: 'machines',
    act: async (page) => {
      await page.getByRole('button', { name: 'New channel' }).click();
      await page.getByLabel('Channel name').fill('nightly');
      await page.getByRole('radio', { name: 'This computer' }).focus();
      await page.keyboard.press('ArrowRight');
      await page.getByRole('radio', { name: /^gpu/ }).check();
      await page.getByLabel('Where to work on it').waitFor();
    },
  },
  'create-machine-add': {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'New channel' }).click();
      await page.getByRole('radio', { name: 'A machine I have' }).check({ force: true });
      await page.getByRole('button', { name: 'Create channel' }).click();
      await page.getByText('Add a machine first.').waitFor();
      await page.getByLabel('Address').fill('staging');
    },
  },
  'create-machine-added': {
    scene: 'channel',
    act: async (page) => {
      await page.getByRole('button', { name: 'New channel' }).click();
      await page.getByRole('radio', { name: 'A machine I have' }).check({ force: true });
      await page.getByLabel('Address').fill('staging');
      await page.keyboard.press('Enter');
      await page.getByText('This machine can be a sandbox').last().waitFor();
      assert.match(await page.evaluate(() => document.activeElement?.value), /staging/);
      await page.getByLabel('Where to work on it').fill('/srv/site');
      await page.getByLabel('Where to work on it').scrollIntoViewIfNeeded();
      assert.equal(await calls(page, 'channel.create'), 0);
    },
  },
  // The machine that was typed is the one that is meant, and no other one.
  'create-machine-typed': {
    scene: 'machines',
    act: async (page, { shot }) => {
      await page.getByRole('button', { name: 'New channel' }).click();
      await page.getByRole('radio', { name: 'A machine I have' }).check({ force: true });
      await page.getByRole('button', { name: 'Add a machine…' }).click();
      await page.getByRole('button', { name: 'Create channel' }).click();
      await page.getByText('Add the machine first, or cancel.').waitFor();
      assert.equal(
        await page.evaluate(() => document.activeElement?.placeholder),
        'ada@build-box.example:22',
      );
      assert.equal(await calls(page, 'channel.create'), 0);
      await shot('empty');
      await page.keyboard.type('staging');
      await page.getByRole('button', { name: 'Create channel' }).click();
      await page.getByText('On staging', { exact: true }).waitFor();
    },
  },
  'created-machine': {
    scene: 'machines',
    act: async (page) => {
      await page.getByRole('button', { name: 'New channel' }).click();
      await page.getByRole('radio', { name: 'A machine I have' }).check({ force: true });
      await page.getByRole('button', { name: 'Create channel' }).click();
      await page.getByText('On build-box', { exact: true }).waitFor();
    },
  },
  'ask-host-key': {
    scene: 'ask-host-key',
    act: question(async (page) => {
      assert.equal(await focused(page), 'Do not connect');
      // A click beside it is no answer.
      await page.mouse.click(5, 5);
      await page.getByRole('dialog').waitFor();
      assert.equal((await calls(page, 'question.answer')) + (await calls(page, 'question.refuse')), 0);
    }),
  },
  'ask-jump': {
    scene: 'ask-jump',
    act: question(async (page) => {
      await page.getByText('on the way to').waitFor();
    }),
  },
  'ask-password': {
    scene: 'ask-password',
    act: question(async (page) => {
      await page.getByLabel('Password of ada').fill('hunter2');
      await page.getByLabel('Remember in the keychain').check();
    }),
  },
  'ask-password-again': { scene: 'ask-password-again', act: question() },
  'ask-passphrase': {
    scene: 'ask-passphrase',
    act: question(async (page) => {
      assert.ok(await page.getByLabel('Remember in the keychain').isDisabled());
    }),
  },
  'ask-prompts': {
    scene: 'ask-prompts',
    act: question(async (page) => {
      assert.equal(await page.getByLabel('One-time code').getAttribute('type'), 'text');
      assert.equal(await page.getByLabel('PIN').getAttribute('type'), 'password');
      const said = await page.getByRole('region', { name: 'What the machine says' }).textContent();
      // eslint-disable-next-line no-control-regex -- none may be there
      assert.doesNotMatch(said, /[\u001B\u202E]/);
    }),
  },
  // Escape refuses; the next one comes up. Over a dialog that is open, too.
  'ask-over': {
    scene: 'ask-passphrase',
    act: async (page, { shot }) => {
      await page.getByRole('dialog', { name: 'Passphrase' }).waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog', { name: 'Password for ada' }).waitFor();
      assert.equal(await calls(page, 'question.refuse'), 1);
      await page.getByLabel('Password of ada').fill('hunter2');
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await settings()(page);
      await page.getByRole('button', { name: 'Add a machine…' }).click();
      await page.getByLabel('Address').fill('half');
      await page.evaluate(() =>
        window.fixture.emit({
          kind: 'questions',
          questions: [
            {
              id: 'late',
              machine: 'gpu',
              ask: { kind: 'password', user: 'ada', host: 'gpu', again: true },
            },
          ],
        }),
      );
      await page.getByRole('dialog', { name: 'Password for ada' }).waitFor();
      // What is on its way to the address neither answers nor refuses; nor do the window's own keys act behind it.
      await page.keyboard.type('typed on');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Escape');
      await page.waitForTimeout(900);
      await page.keyboard.press('Control+k');
      await page.keyboard.press('Control+b');
      assert.equal(await page.getByRole('dialog').count(), 1);
      assert.equal(await calls(page, 'question.refuse'), 1);
      assert.equal(await page.getByLabel('Password of ada').inputValue(), '');
      await shot('aloof');
      await page.getByLabel('Password of ada').click();
      await page.keyboard.type('typed');
      assert.equal(await page.getByLabel('Password of ada').inputValue(), 'typed');
      await page.mouse.click(5, 5);
      await shot('two');
      // What was under it is as it was left, and has the keyboard again.
      await page.getByLabel('Password of ada').press('Enter');
      await page.getByRole('dialog', { name: 'Password for ada' }).waitFor({ state: 'detached' });
      await page.getByRole('dialog', { name: 'Add a machine' }).waitFor();
      await page.waitForFunction(() => document.activeElement?.value === 'half');
      await page.keyboard.type('way');
      assert.equal(await page.getByLabel('Address').inputValue(), 'halfway');
    },
  },
  reconnecting: { scene: 'reconnecting', act: landing() },
  // It is told where the workbench fills the window, too.
  'reconnecting-filled': {
    scene: 'reconnecting',
    act: landing(async (page) => {
      await page.getByRole('tab', { name: 'Terminal' }).click();
      await page.getByRole('button', { name: 'Fill the window' }).click();
      await page.getByRole('button', { name: 'What is wrong?' }).waitFor();
    }),
  },
  'connect-again': {
    scene: 'reconnecting',
    act: landing(async (page) => {
      await header(page).getByRole('button', { name: 'Connect again' }).waitFor();
      await page.getByRole('button', { name: 'Connect again' }).last().press('Enter');
      await header(page).getByText('Running').waitFor();
      await page.getByRole('button', { name: 'What is wrong?' }).waitFor({ state: 'detached' });
      assert.equal(await calls(page, 'sandbox.wake'), 1);
      assert.equal(await page.evaluate(() => document.activeElement === document.body), false);
    }),
  },
  connecting: {
    scene: 'connecting',
    act: landing(async (page) => {
      assert.equal(await page.getByRole('button', { name: 'What is wrong?' }).count(), 0);
      await page.getByText('Connecting to gpu…').last().waitFor();
      await page.getByRole('button', { name: 'What is wrong?' }).waitFor();
      assert.equal(await page.getByRole('button', { name: 'Connect again' }).count(), 0);
    }),
  },
  'setting-up': {
    scene: 'setting-up',
    act: async (page) => {
      await page.getByRole('button', { name: 'Cancel…' }).waitFor();
      await page.getByRole('button', { name: 'What is wrong?' }).waitFor();
    },
  },
  'machine-refuses': {
    scene: 'machine-refuses',
    act: landing(async (page, { shot }) => {
      await page.keyboard.press('Control+k');
      await page.keyboard.type('connect again');
      await shot('palette');
      await page.keyboard.press('Enter');
      await page.getByText('Still no connection').waitFor();
      await shot('again');
      await page.getByRole('button', { name: 'Dismiss' }).click();
      await page.getByRole('button', { name: 'More about this channel' }).click();
      await page.getByRole('menuitem', { name: 'Sleep' }).waitFor();
    }),
  },
  // A key that Berth wrote down is forgotten, the new one is asked about, and then it connects.
  'doctor-key': {
    scene: 'machine-refuses',
    act: landing(async (page, { shot }) => {
      await page.getByRole('button', { name: 'What is wrong?' }).click();
      const forget = page.getByRole('button', { name: 'Forget the old key…' });
      await forget.waitFor();
      await shot('report');
      await forget.click();
      await page.getByRole('dialog', { name: 'Forget the key of [10.4.0.17]:2222?' }).waitFor();
      assert.equal(await focused(page), 'Keep it');
      await shot('forget');
      await page.keyboard.press('Escape');
      await page.waitForFunction(() => document.activeElement?.textContent.includes('Forget the old key…'));
      assert.equal(await calls(page, 'machine.forget_key'), 0);
      await page.keyboard.press('Enter');
      await page.getByRole('button', { name: 'Forget the old key', exact: true }).click();
      await page.getByRole('dialog', { name: 'Is this the right machine?' }).waitFor();
      await page.getByRole('button', { name: 'Trust and connect' }).click();
      await page.getByText('Some things could be better').last().waitFor();
      await shot('well');
      await page.getByRole('dialog').getByRole('button', { name: 'Connect again' }).click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await header(page).getByText('Running').waitFor();
    }),
  },
  doctor: {
    scene: 'reconnecting',
    act: landing(async (page) => {
      await page.getByRole('button', { name: 'What is wrong?' }).click();
      await page.getByText('Berth could not connect, because').last().waitFor();
      await page.getByRole('button', { name: 'Check again' }).press('Enter');
      await page.getByRole('button', { name: 'Cancel' }).waitFor({ state: 'detached' });
      await page.getByText('Berth could not connect, because').last().waitFor();
      assert.equal(await focused(page), 'Check again');
    }),
  },
  'doctor-ok': {
    scene: 'machines',
    act: landing(async (page) => {
      await fromPalette('check this')(page);
      await page.getByText('Some things could be better').last().waitFor();
    }),
  },
  'failed-machine': {
    scene: 'failed-machine',
    act: async (page) => {
      await page.getByRole('button', { name: 'What is wrong?' }).waitFor();
    },
  },
  ports: {
    scene: 'moving',
    act: landing(async (page) => {
      await fromPalette('open a port')(page);
      await page.getByRole('dialog').waitFor();
      await page.getByLabel('Port', { exact: true }).fill('99999');
      await page.keyboard.press('Enter');
      await page.getByRole('alert').waitFor();
      await page.getByLabel('Port', { exact: true }).fill('6379');
      await page.keyboard.press('Enter');
      await page.getByText('localhost:6379').first().waitFor();
      await page.getByRole('button', { name: 'Copy the address localhost:15432' }).click();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'localhost:15432');
      await page.getByRole('button', { name: 'Close localhost:15432' }).press('Enter');
      await page.getByText('localhost:15432').waitFor({ state: 'detached' });
      assert.match(await focused(page), /^localhost:8080/);
    }),
  },
  'ports-empty': {
    scene: 'channel',
    act: landing(async (page) => {
      await page.getByRole('button', { name: 'More about this channel' }).click();
      await page.getByRole('menuitem', { name: 'Ports…' }).click();
    }),
  },
  transfers: {
    scene: 'moving',
    act: files(async (page) => {
      await page.evaluate(async () => {
        const status = { state: 'running' };
        const transfer = {
          id: 't-running',
          channel: 'id-landing-page',
          up: true,
          name: 'training-images',
          to: '/home/dev/work',
          total: 480_000_000,
          status,
        };
        for (let n = 1; n <= 200; n += 1) {
          window.fixture.emit({
            kind: 'transfer',
            transfer: { ...transfer, done: 120_000_000 + n * 100_000 },
          });
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      });
      await page.getByText(/MB\/s · .* left/).waitFor();
    }),
  },
  // Twice is once: what was stopped is not thrown away, and whoever has the keyboard keeps it.
  'transfers-stopped': {
    scene: 'moving',
    act: files(async (page) => {
      await page.getByRole('button', { name: 'Stop: Upload of training-images' }).focus();
      await page.evaluate(() => [1, 2].forEach(() => document.activeElement.click()));
      await page.getByRole('button', { name: 'Resume: Upload of training-images' }).waitFor();
      assert.equal(await calls(page, 'transfer.stop'), 1);
      assert.equal(await focused(page), 'Resume: Upload of training-images');
      await page.getByRole('status').getByText('Upload of training-images was stopped').waitFor();
      const dismiss = page.getByRole('button', { name: 'Dismiss: Upload of training-images' });
      await dismiss.press('Enter');
      await dismiss.waitFor({ state: 'detached' });
      assert.match(await focused(page), /3 items/);
    }),
  },
  drop: {
    scene: 'channel',
    act: files(async (page, { shot }) => {
      const over = (at) => page.evaluate((at) => window.fixture.drag.over(...at), at);
      const tree = await page.getByRole('tree', { name: 'Files' }).boundingBox();
      await over([tree.x + tree.width / 2, tree.y + tree.height - 60]);
      await page.getByText('Upload into the channel’s folder').waitFor();
      await shot('root');
      const src = await middle(page.getByRole('treeitem', { name: 'src' }));
      await over(src);
      await page.getByText('Upload into “src”').waitFor();
      await shot('folder');
      await over([5, 5]);
      await page.getByText('Upload into').waitFor({ state: 'detached' });
      await page.evaluate((at) => window.fixture.drag.drop(...at, ['/home/ada/logo.svg']), src);
      await page.getByRole('progressbar', { name: 'Upload of logo.svg' }).waitFor();
    }),
  },
  // What is there is not replaced before a person says so.
  replace: {
    scene: 'channel',
    act: files(async (page) => {
      const drop = async () => {
        const { x, y, width, height } = await page.getByRole('tree', { name: 'Files' }).boundingBox();
        const paths = ['src', 'new.txt', 'package.json'].map((name) => `/home/ada/site/${name}`);
        await page.evaluate(
          (all) => window.fixture.drag.drop(...all),
          [x + width / 2, y + height - 60, paths],
        );
        await page.getByRole('dialog', { name: 'Replace 2 items?' }).waitFor();
      };
      await drop();
      assert.equal(await focused(page), 'Cancel');
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      assert.equal(await calls(page, 'transfer.upload'), 0);
      await drop();
      await page.getByRole('button', { name: 'Replace' }).click();
      await page.getByRole('progressbar', { name: 'Upload of 3 items' }).waitFor();
      await drop();
    }),
  },
  'replace-here': {
    scene: 'channel',
    act: files(async (page) => {
      const download = async () => {
        await page.getByRole('treeitem', { name: 'package.json' }).click({ button: 'right' });
        await page.getByRole('menuitem', { name: 'Download…' }).click();
        await page.getByRole('dialog', { name: 'Replace 1 item?' }).waitFor();
      };
      await download();
      await page.getByRole('button', { name: 'Replace' }).click();
      await page.getByRole('progressbar', { name: 'Download of package.json' }).waitFor();
      await download();
    }),
  },
  // What is on its way is seen where its sandbox sleeps, and where another tab is.
  'moving-asleep': {
    scene: 'moving-asleep',
    act: async (page, { shot }) => {
      await page.getByRole('tab', { name: 'Files , 1 transfer on the way, 1 transfer failed' }).click();
      await page.getByRole('button', { name: 'Resume: Download of results' }).waitFor();
      await shot('files');
      await page.getByRole('tab', { name: 'Activity' }).click();
    },
  },
  upload: {
    scene: 'channel',
    act: landing(async (page) => {
      await fromPalette('upload')(page);
      await page.getByRole('progressbar', { name: 'Upload of logo.svg' }).waitFor();
      await page.getByRole('button', { name: 'Upload', exact: true }).click();
      await page.getByRole('menuitem', { name: 'Upload a folder…' }).waitFor();
    }),
  },
};
