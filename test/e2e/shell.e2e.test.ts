/** What a new user does, in a real browser: log in, change the password, jump, type, lose the site while typing, go on, end, replay. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { CHECKOUT, launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import { readRecording } from '@bascule/testkit/recorded-bytes.ts';
import { AccessSessionPage, ConsolePage, LoginPage, text } from './pages.ts';

const PASSWORD = 'correct horse battery staple';

let appliance: LaunchedAppliance;
let browser: TestBrowser;

before(async () => {
  assert.ok(existsSync(join(CHECKOUT, 'apps', 'web', 'dist', 'site')), 'the web interface is not built: npm test builds it');
  appliance = await launchAppliance();
  await appliance.startJumpClient({ name: 'workshop' });
  browser = await TestBrowser.launch();
});

after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await appliance?.[Symbol.asyncDispose]();
});

/** Runs a step; when it fails, the error carries the programs' log, and a picture of the page lies in test-results/. */
async function step(name: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const folder = join(CHECKOUT, 'test-results');
    mkdirSync(folder, { recursive: true });
    await browser.page.screenshot({ path: join(folder, `${name.replace(/\W+/g, '-')}.png`) });
    appliance.fail(error);
  }
}

describe('a new user', { concurrency: false }, () => {
  it('opens a recorded shell, and keeps it while the site is killed', async () => {
    const { page } = browser;
    const console = new ConsolePage(browser);
    await step('log in', async () => {
      await page.goto(`${appliance.url}/`);
      await page.waitForURL('**/login**');
      const login = new LoginPage(page);
      await login.logIn('admin', appliance.passwords.login);
      await login.chooseNewPassword(PASSWORD);
      await page.getByText(text('login:tab.status')).first().waitFor();
    });
    await step('jump', async () => {
      await page.goto(`${appliance.url}/console`);
      await console.jump('workshop');
      await console.phase('live').waitFor();
      await console.type('PS1=; printf "%s" re""ady');
      await console.press('Enter');
      await console.untilShown('ready');
    });
    await step('type while site main is killed', async () => {
      await console.type('printf "%s" be');
      await appliance.kill('site');
      await console.type('"fore-and-af"ter');
      await console.press('Enter');
      await console.untilShown('before-and-after');
      assert.equal(await page.getByRole('alert').count(), 0, 'no error is shown');
    });
    await step('type while the relay is killed', async () => {
      const reconnecting = console.phase('reconnecting').waitFor();
      await appliance.kill('relay');
      await console.type('printf "%s" "$((6 * 7)) is the ans"wer');
      await reconnecting;
      await console.press('Enter');
      await console.untilShown('42 is the answer');
      await console.phase('live').waitFor();
      assert.equal(await page.getByRole('alert').count(), 0, 'no error is shown');
    });
    await step('reload the page', async () => {
      await page.reload();
      await console.untilShown('42 is the answer');
      await console.phase('live').waitFor();
      await page.getByRole('textbox', { name: text('console:terminalLabel', { name: 'workshop' }) }).focus();
      await console.type('printf "%s" reloa""ded');
      await console.press('Enter');
      await console.untilShown('reloaded');
    });
    let report = '';
    await step('end the session', async () => {
      await console.endSession();
      await console.endedBar().waitFor();
      await console.endedBar().getByText(text('console:reason.ended-by-user')).waitFor();
      report = await console.recordingUrl();
    });
    await step('replay the recording', async () => {
      await page.goto(new URL(report, appliance.url).href);
      const session = new AccessSessionPage(browser);
      await session.fact(text('shared:endReason.ended-by-user')).waitFor();
      await session.seekToEnd();
      for (const expected of ['ready', 'before-and-after', '42 is the answer', 'reloaded']) await session.untilShown(expected);
    });
    await step('find every byte', async () => {
      const api = await ApiClient.pin(appliance.url);
      await api.logIn('admin', PASSWORD);
      const session = decodeURIComponent(report.split('/').at(-1) ?? '');
      const recording = await readRecording(api, session);
      assert.equal(recording.complete, true);
      const recorded = recording.terminal.toString('utf8');
      for (const once of ['ready', 'before-and-after', '42 is the answer', 'reloaded'])
        assert.equal(recorded.split(once).length - 1, 1, `${once} is in the recording once`);
    });
    const exceptions = browser.complaints.filter((complaint) => complaint.startsWith('exception'));
    assert.deepEqual(exceptions, []);
  });

  it('logs in to the appliance, with the other password', async () => {
    const { page } = browser;
    await step('the appliance', async () => {
      await page.goto(`${appliance.url}/appliance`);
      const login = new LoginPage(page);
      await login.logIn('admin', appliance.passwords.appliance);
      await login.chooseNewPassword(PASSWORD);
      await page.getByText(text('appliance:processes.title')).first().waitFor();
      for (const program of ['boot', 'base', 'site', 'relay']) await page.getByText(program, { exact: true }).first().waitFor();
    });
  });

  it('is told nothing by a page that no one is logged in to', async () => {
    const stranger = await browser.browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB' });
    try {
      const page = await stranger.newPage();
      await page.goto(`${appliance.url}/console`);
      await page.getByRole('button', { name: text('login:logIn'), exact: true }).waitFor();
      assert.ok(!(await page.content()).includes('workshop'));
    } finally {
      await stranger.close();
    }
  });
});
