/** 'Test the standby' (B133) on two real appliances with a real Jump Client, by their pages alone: begun, entered, used, left and ended; and what a stolen cookie opens. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { applianceHeader } from '@bascule/protocol/api/failover.ts';
import { auditPage } from '@bascule/protocol/api/site.ts';
import { REHEARSAL_COOKIE } from '@bascule/protocol/rehearsal.ts';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { CHECKOUT } from '@bascule/testkit/launch-appliance.ts';
import { PairScene } from '@bascule/testkit/pair-scene.ts';
import { SITE_PASSWORD } from '@bascule/testkit/upgrade-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { FailoverPage } from './failover-page.ts';
import { ConsolePage, LoginPage, text } from './pages.ts';

const SHARED_NAME = 'access.localhost';
const CLIENT = 'far';
/** On a machine that does much else, too. */
const PAGE_LIMIT_MS = 90_000;
const ONLY_IN_TEST = 'Made in the test alone';
const STANDBY = { standby: 'south' };
const createdUser = z.object({ oneTimePassword: z.string() });
const groups = z.object({ groups: z.array(z.object({ name: z.string() })) });
const sessionRows = z.object({ sessions: z.array(z.object({ id: z.string(), userName: z.string() })) });

let scene: PairScene;
/** The chosen person, under the shared name. */
let browser: TestBrowser;
let terminal: ConsolePage;
/** The same person elsewhere, who has a session at the primary and is not in the test. */
let atWork: TestBrowser;
let work: ConsolePage;
/** Whoever manages the pair, on the backup's page. */
let south: FailoverPage;
/** An administrator who is not chosen. */
let bob: ApiClient;
let sharedUrl = '';
/** With which the chosen person was in the test. */
let cookieValue = '';

before(async () => {
  assert.ok(existsSync(join(CHECKOUT, 'apps', 'web', 'dist', 'site')), 'the web interface is not built: npm test builds it');
  // Chromium takes every name below localhost for this machine.
  scene = await PairScene.start({ name: SHARED_NAME });
  [browser, atWork] = await Promise.all([TestBrowser.launch(), TestBrowser.launch()]);
  await scene.a.appliance.startJumpClient({ name: CLIENT });
  await scene.establish(scene.a, { withCertificate: true });
  await scene.a.site.onlineItem(CLIENT);
  sharedUrl = `https://${SHARED_NAME}:${scene.a.appliance.port}`;
  const { oneTimePassword } = await scene.a.call('POST', 'users', createdUser, {
    name: 'bob',
    displayName: 'Bob',
    role: 'administrator',
  });
  bob = await ApiClient.pin(scene.a.appliance.url);
  await bob.takeOver(oneTimePassword, SITE_PASSWORD, 'bob');
  await scene.caughtUp(scene.a);
  terminal = new ConsolePage(browser);
  work = new ConsolePage(atWork);
  south = await FailoverPage.open(browser.browser, scene.b.appliance.url, { self: 'south', peer: 'north' });
  for (const { page } of [browser, atWork]) {
    page.setDefaultTimeout(PAGE_LIMIT_MS);
    await page.goto(`${sharedUrl}/login`);
    await new LoginPage(page).logIn('admin', SITE_PASSWORD);
    await page.getByRole('link', { name: text('login:tab.reports') }).waitFor();
  }
});
after(async () => {
  await Promise.all([browser, atWork].map((one) => one?.[Symbol.asyncDispose]()));
  await scene?.[Symbol.asyncDispose]();
});

/** What follows cannot be right when something before it went wrong. */
let hasFailed = false;
const withLogs = (step: () => Promise<void>) => async () => {
  assert.ok(!hasFailed, 'an earlier step failed');
  await step().catch((error: unknown) => {
    hasFailed = true;
    for (const { appliance, name } of scene.sides) process.stderr.write(`=== ${name}\n${appliance.logTail()}\n`);
    throw error;
  });
};

const PICTURES = process.env['BASCULE_TEST_PICTURES'];
async function picture(name: string): Promise<void> {
  if (PICTURES === undefined) return;
  for (const theme of ['dark', 'light'] as const) {
    await browser.page.emulateMedia({ colorScheme: theme });
    await browser.page.screenshot({ path: join(PICTURES, `rehearsal-${name}-${theme}.png`) });
  }
}

let typed = 0;
async function typeAndRead(console: ConsolePage): Promise<void> {
  typed += 1;
  await console.type(`echo typed-$((${typed} + 4000))\n`);
  await console.untilShown(`typed-${typed + 4000}`);
}

const codes = async (): Promise<string[]> => {
  const { events } = await scene.a.call('GET', 'audit?limit=100', auditPage);
  return events.map(({ code }) => code);
};
/** A regular expression tells capitals apart: the offer says nearly the same. */
const testBar = () => browser.page.getByRole('status').filter({ hasText: new RegExp(text('shared:test.inside', STANDBY)) });

describe('the standby is tried by people', { concurrency: false }, () => {
  it(
    'a test is begun on the page of the backup, for one of two administrators and a client that is in a session',
    withLogs(async () => {
      await atWork.page.goto(`${sharedUrl}/console`);
      await work.jump(CLIENT);
      await work.phase('live').waitFor();
      await typeAndRead(work);
      await south.toFailover();
      await south.button('failover:rehearsal.begin').click();
      await south.dialog.getByLabel(text('failover:rehearsal.users'), { exact: true }).click();
      await south.page.getByRole('option', { name: 'admin', exact: true }).click();
      await south.page.keyboard.press('Escape');
      await south.dialog.getByLabel(text('failover:rehearsal.clients'), { exact: true }).click();
      await south.page.getByRole('option', { name: CLIENT, exact: true }).click();
      await south.page.keyboard.press('Tab');
      await south.picture('rehearsal-01-asked');
      await south.dialog.getByRole('button', { name: text('failover:rehearsal.begin'), exact: true }).click();
      await south.dialog.waitFor({ state: 'detached' });
      await south.page.getByText(text('failover:rehearsal.state.open')).waitFor();
      await south.picture('rehearsal-02-open');
      for (const side of scene.sides) {
        const { rehearsal } = await side.until('all steps have passed', ({ rehearsal: shown }) => shown.steps.length === 5);
        assert.deepEqual(
          rehearsal.steps.map(({ code, outcome }) => `${code} ${outcome}`),
          ['copy passed', 'open passed', 'name passed', 'clients passed', 'session passed'],
          JSON.stringify(rehearsal.steps),
        );
        assert.deepEqual([rehearsal.users, rehearsal.clients], [['admin'], [CLIENT]]);
      }
      await typeAndRead(work);
    }),
  );

  it(
    'the chosen person opens it under the shared name, with the login that they have; each page says what it is',
    withLogs(async () => {
      const offer = browser.page.getByRole('status').filter({ hasText: text('shared:test.offeredNote') });
      await offer.waitFor();
      await picture('03-offered');
      const loaded = browser.page.waitForEvent('load');
      await offer.getByRole('button', { name: text('shared:test.enter'), exact: true }).click();
      await loaded;
      await testBar().waitFor();
      assert.equal(new URL(browser.page.url()).origin, sharedUrl);
      await picture('04-inside');
      await browser.page.goto(`${sharedUrl}/login/jump/groups`);
      await testBar().waitFor();
      await browser.page.getByRole('button', { name: text('login:group.create'), exact: true }).click();
      const dialog = browser.page.getByRole('dialog');
      await dialog.getByLabel(text('login:group.name'), { exact: true }).fill(ONLY_IN_TEST);
      await dialog.getByRole('button', { name: text('login:group.create'), exact: true }).click();
      await browser.page.getByText(ONLY_IN_TEST).waitFor();
      await picture('05-changed');
      await browser.page.goto(`${sharedUrl}/login/management/failover`);
      await testBar().waitFor();
      await browser.page.getByText(text('errors:REHEARSAL_NOT_IN_TEST')).waitFor();
    }),
  );

  it(
    'they work in a shell on the chosen client, while the session at the primary goes on',
    withLogs(async () => {
      await browser.page.goto(`${sharedUrl}/console`);
      await testBar().waitFor();
      await terminal.jump(CLIENT);
      await terminal.phase('live').waitFor();
      await typeAndRead(terminal);
      await picture('06-console');
      await typeAndRead(work);
      await terminal.endSession();
      await terminal.endedBar().waitFor();
    }),
  );

  it(
    'whoever was not chosen gets nothing by a stolen cookie: not offered, not let in, and answered by the primary',
    withLogs(async () => {
      const header = await bob.call('GET', 'whoami/appliance', applianceHeader);
      assert.equal(header.rehearsal, undefined);
      const refused = await bob.send('POST', 'failover/rehearsal/enter', {});
      assert.equal(refused.status, 404);
      assert.doesNotMatch(String(refused.headers['set-cookie'] ?? ''), new RegExp(REHEARSAL_COOKIE));
      const stolen = (await browser.context.cookies(sharedUrl)).find(({ name }) => name === REHEARSAL_COOKIE);
      assert.ok(stolen?.httpOnly === true && stolen.secure && stolen.sameSite === 'Strict' && stolen.expires === -1);
      cookieValue = stolen.value;
      const own = bob.cookie;
      const cookie = `${own}; ${REHEARSAL_COOKIE}=${stolen.value}`;
      const seen = await bob.send('GET', 'jump/groups', undefined, { cookie });
      assert.equal(seen.status, 200);
      assert.doesNotMatch(seen.body.toString(), new RegExp(ONLY_IN_TEST));
      assert.match(String(seen.headers['set-cookie']), new RegExp(`${REHEARSAL_COOKIE}=; .*Max-Age=0`));
      bob.cookie = '';
      const alone = await bob.send('GET', 'jump/groups', undefined, { cookie: `${REHEARSAL_COOKIE}=${stolen.value}` });
      bob.cookie = own;
      assert.equal(alone.status, 401);
      assert.equal((await bob.call('GET', 'whoami/appliance', applianceHeader)).rehearsal, undefined);
    }),
  );

  it(
    'they leave it, and are back at the primary with the same login, where nothing of it is known',
    withLogs(async () => {
      await testBar()
        .getByRole('link', { name: text('shared:test.leave') })
        .click();
      await browser.page.getByRole('button', { name: text('shared:test.enter'), exact: true }).waitFor();
      assert.equal(await testBar().count(), 0);
      const { groups: known } = await scene.a.call('GET', 'jump/groups', groups);
      assert.ok(!known.some(({ name }) => name === ONLY_IN_TEST));
      const { sessions } = await scene.a.call('GET', 'reports/access-sessions', sessionRows);
      assert.equal(sessions.length, 1, 'the session at work alone');
    }),
  );

  it(
    'whoever logged in since the copy was made logs in to it once more; when the test ends, the page of the primary is there again',
    withLogs(async () => {
      const { page } = browser;
      await page.getByRole('button', { name: text('shared:loggedInAs', { name: 'admin' }) }).click();
      await page.getByRole('menuitem', { name: text('shared:logOut') }).click();
      await new LoginPage(page).logIn('admin', SITE_PASSWORD);
      const offer = page.getByRole('button', { name: text('shared:test.enter'), exact: true });
      await offer.click();
      await testBar().waitFor();
      await picture('08-login-of-the-copy');
      await new LoginPage(page).logIn('admin', SITE_PASSWORD);
      await page.getByRole('link', { name: text('login:tab.reports') }).waitFor();
      await page.goto(`${sharedUrl}/login/jump/groups`);
      await page.getByText(ONLY_IN_TEST).waitFor();
      await testBar().waitFor();
      const reloaded = page.waitForEvent('load');
      await south.toFailover();
      await south.button('failover:rehearsal.close').click();
      await south.page.getByText(text('failover:rehearsal.state.closed')).waitFor();
      await south.picture('rehearsal-07-closed');
      await reloaded;
      await page.getByRole('link', { name: text('login:tab.reports') }).waitFor();
      assert.equal(await testBar().count(), 0);
      assert.equal(await page.getByText(ONLY_IN_TEST).count(), 0);
      await waitUntil('the end is in the audit', async () => (await codes()).includes('REHEARSAL_ENDED'));
      const { events } = await scene.a.call('GET', 'audit?limit=100', auditPage);
      const ofTest = events.filter(({ code }) => code.startsWith('REHEARSAL_')).map(({ code, actor }) => `${code} ${actor}`);
      assert.deepEqual(ofTest.toReversed(), [
        'REHEARSAL_BEGUN admin',
        'REHEARSAL_ENTERED admin',
        'REHEARSAL_LEFT admin',
        'REHEARSAL_ENTERED admin',
        'REHEARSAL_SESSION_HELD system',
        'REHEARSAL_SESSION_HELD system',
        'REHEARSAL_ENDED admin',
      ]);
      assert.ok(!events.some(({ summary }) => summary.includes(ONLY_IN_TEST)));
      for (const { details } of events.filter(({ code }) => code === 'REHEARSAL_SESSION_HELD'))
        assert.match(String(details['recordingSha256']), /^[0-9a-f]{64}$/);
      for (const { appliance } of scene.sides)
        for (const file of readdirSync(join(appliance.home, 'log')))
          assert.ok(!readFileSync(join(appliance.home, 'log', file), 'utf8').includes(cookieValue), `no cookie in ${file}`);
      await typeAndRead(work);
    }),
  );
});
