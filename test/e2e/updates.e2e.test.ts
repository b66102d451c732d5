/**
 * What a new operator does with a real update server and real packages, in a browser: trust, look, install base and then the site, watch, go back; and on an
 * appliance without a connection: the key, the file, refusals, and an installation that is rolled back by itself.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { CHECKOUT, launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import { LaunchedUpdateServer, NEXT_VERSION, ReleaseShop } from '@bascule/testkit/upgrade-scene.ts';
import { text } from './pages.ts';
import { redeemOnPage, UpdatesPage } from './updates-page.ts';

const PASSWORD = 'correct horse battery staple';
const WATCH_SECONDS = 5;
const BASE = `Base ${NEXT_VERSION}`;
const SITE = `Site ${NEXT_VERSION}`;
/** The new site needs the new base: something is blocked until something else is installed. */
const SITE_NEEDS_BASE = {
  'tools/release/release.json': (json: string) => json.replace('"base": ">=0.1.0"', `"base": ">=${NEXT_VERSION}"`),
};
/** The step at which the first installation on the appliance without a connection fails. */
const FAULT = 'watch/before:throw';

let shop: ReleaseShop;
let server: LaunchedUpdateServer;
let online: LaunchedAppliance;
let remote: LaunchedAppliance;
let browser: TestBrowser;

before(async () => {
  assert.ok(existsSync(join(CHECKOUT, 'apps', 'web', 'dist', 'appliance')), 'the web interface is not built: npm test builds it');
  [shop, online, remote, browser] = await Promise.all([
    ReleaseShop.open(undefined, SITE_NEEDS_BASE),
    launchAppliance({ staged: true }),
    launchAppliance({ staged: true, environment: { BASCULE_FAULT: FAULT } }),
    TestBrowser.launch(),
  ]);
  [server] = await Promise.all([LaunchedUpdateServer.start(shop), online.startJumpClient({ name: 'workshop' })]);
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await Promise.all([online?.[Symbol.asyncDispose](), remote?.[Symbol.asyncDispose](), server?.[Symbol.asyncDispose]()]);
  shop?.[Symbol.dispose]();
});

/** Runs a step; when it fails, the error carries the programs' log, and a picture of the page lies in test-results/. */
async function step(name: string, { page }: UpdatesPage, appliance: LaunchedAppliance, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const folder = join(CHECKOUT, 'test-results');
    mkdirSync(folder, { recursive: true });
    await page.screenshot({ path: join(folder, `updates-${name.replace(/\W+/g, '-')}.png`), fullPage: true });
    appliance.fail(error);
  }
}

/** A browser of somebody else. */
async function otherPage(appliance: LaunchedAppliance): Promise<UpdatesPage> {
  const context = await browser.browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB', acceptDownloads: true });
  return new UpdatesPage(await context.newPage(), appliance.url);
}

describe('a new operator', { concurrency: false }, () => {
  let updates: UpdatesPage;

  it('trusts an update server, installs base and then the site while another administrator watches, and goes back', async () => {
    updates = new UpdatesPage(browser.page, online.url);
    const second = await otherPage(online);
    const on = (name: string, work: () => Promise<void>) => step(name, updates, online, work);
    await on('trust', async () => {
      await updates.logInFirst(online.passwords.appliance, PASSWORD);
      await updates.headline('noServer').waitFor();
      await updates.setUp({ server: server.url, watchSeconds: WATCH_SECONDS });
      const answer = await fetch(new URL('/metadata/1.root.json', server.url));
      const digest = await crypto.subtle.digest('SHA-256', await answer.arrayBuffer());
      assert.equal(await updates.fetchFingerprint(), Buffer.from(digest).toString('hex'));
      await updates.confirmTrust();
    });
    await on('look', async () => {
      await updates.checkForUpdates();
      await updates
        .offer(SITE)
        .getByText(text('updates:blocked.first', { name: 'Base', version: NEXT_VERSION }))
        .waitFor();
      assert.ok(await updates.button('updates:offer.installName', { name: SITE }).isDisabled());
    });
    await on('install base', async () => {
      await updates.button('updates:offer.installName', { name: BASE }).click();
      await updates.acceptAgreement('Ann Example');
      await updates.beginInstalling(BASE);
      await updates.installed(BASE);
    });
    await second.logIn(PASSWORD);
    await on('install the site after a snapshot, as one', async () => {
      await updates.button('updates:available.snapshotThen', { name: SITE }).click();
      await updates.beginInstalling(SITE);
      await second.progress(SITE).waitFor();
      await second.page.getByText(text('updates:progress.noReturn')).waitFor();
      await updates.installed(SITE);
      await second.installed(SITE);
    });
    await on('verification', async () => {
      const lines = await updates.verification();
      const passed = `${text('updates:verify.state.passed')}:`;
      assert.deepEqual(
        lines.filter((line) => !line.startsWith(passed)),
        [],
      );
      assert.ok(lines.some((line) => line.includes(text('updates:verificationName.test-session'))));
    });
    await on('go back', async () => {
      await updates.rollBack('Site 0.1.0');
      await updates.progress('Site 0.1.0', 'roll-back').waitFor();
      await updates.wentBack('Site 0.1.0');
      await updates.headline('wentBack', { name: 'Site 0.1.0' }).first().waitFor();
      assert.equal(
        await updates.button('updates:available.snapshotThen', { name: SITE }).count(),
        0,
        'the version left is not urged',
      );
      await updates.button('updates:installed.changeName', { version: NEXT_VERSION, kind: 'Site' }).waitFor();
    });
    await on('history', async () => {
      const rows = (await updates.history()).map((cells) => [cells[1], cells[2], cells[3], cells[6]]);
      const installed = text('updates:history.outcomes.installed');
      const wentBack = text('updates:history.outcomes.went-back');
      assert.deepEqual(rows, [
        [text('updates:history.operations.roll-back'), `Site ${NEXT_VERSION} → 0.1.0`, 'admin', wentBack],
        [text('updates:history.operations.install'), `Site 0.1.0 → ${NEXT_VERSION}`, 'admin', installed],
        [text('updates:history.operations.install'), `Base 0.1.0 → ${NEXT_VERSION}`, 'admin', installed],
      ]);
    });
    assert.deepEqual(
      browser.complaints.filter((complaint) => complaint.startsWith('exception')),
      [],
    );
  });

  it('brings packages by hand where there is no connection; what fails is undone and says so until acknowledged', async () => {
    const away = await otherPage(remote);
    const file = join(shop.directory, 'remote.bascule-update');
    const on = (name: string, work: () => Promise<void>) => step(name, away, remote, work);
    await on('the key goes out, a file comes back', async () => {
      await away.logInFirst(remote.passwords.appliance, PASSWORD);
      await away.setUp({ watchSeconds: WATCH_SECONDS });
      await LaunchedUpdateServer.register(shop, 'remote', await away.publicKey());
      const key = await away.downloadKey();
      const { page } = await otherPage(remote);
      await redeemOnPage(page, server.url, key, file);
    });
    await step('refused on another appliance', updates, online, async () => {
      await updates.upload(file);
      assert.equal(await updates.refusal(), text('errors:BUNDLE_OTHER_APPLIANCE'));
    });
    await on('trusted by its fingerprint', async () => {
      await away.upload(file);
      assert.equal(await away.refusal(), text('errors:UPDATES_NOT_TRUSTED'));
      await away.fetchFingerprint();
      await away.confirmTrust();
    });
    await on('refused when altered, and taken as it is', async () => {
      const altered = join(shop.directory, 'altered.bascule-update');
      const bytes = readFileSync(file);
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(altered, bytes);
      await away.upload(altered);
      assert.equal(await away.refusal(), text('errors:PACKAGE_HASH'));
      await away.button('updates:upload.verifyName', { name: 'remote.bascule-update' }).click();
      await away.offer(BASE).waitFor();
    });
    await on('rolled back by itself', async () => {
      await away.button('updates:offer.installName', { name: BASE }).click();
      await away.acceptAgreement('Ann Example');
      await away.beginInstalling(BASE);
      const banner = away.rolledBackBanner(BASE);
      await banner.waitFor({ timeout: 60_000 });
      await banner.getByText(text('updates:rolledBack.dataSafe')).waitFor();
      await away.page.reload();
      await banner.getByRole('button', { name: text('updates:rolledBack.acknowledge') }).click();
      await banner.waitFor({ state: 'detached' });
    });
    await on('and installed', async () => {
      await away.button('updates:offer.installName', { name: BASE }).click();
      await away.beginInstalling(BASE);
      await away.installed(BASE);
      await away.button('updates:available.snapshotThen', { name: SITE }).waitFor();
    });
  });
});
