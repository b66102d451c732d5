/** The pictures of Updates: an operator's way with a real update server and real packages, online, by hand, and where something fails. */
import { join } from 'node:path';
import { z } from 'zod';
import type { Page } from 'playwright-core';
import { updatesState } from '@bascule/protocol/api/updates.ts';
import { ApiClient } from '../../packages/testkit/src/api-client.ts';
import { launchAppliance, type LaunchedAppliance } from '../../packages/testkit/src/launch-appliance.ts';
import { TestBrowser } from '../../packages/testkit/src/browser.ts';
import { LaunchedUpdateServer, NEXT_VERSION, ReleaseShop } from '../../packages/testkit/src/upgrade-scene.ts';
import { text } from '../../test/e2e/pages.ts';
import { redeemOnPage, UpdatesPage } from '../../test/e2e/updates-page.ts';
import { PASSWORD } from './scene.ts';

const BASE = `Base ${NEXT_VERSION}`;
const SITE = `Site ${NEXT_VERSION}`;
/** Long enough for pictures of the last steps in both themes. */
const WATCH_SECONDS = 15;
/** So slow that a download can be looked at. */
const DOWNLOAD_BYTES_PER_SECOND = 400_000;
const FAULT = 'watch/before:throw';
const RELEASE_FILE = 'tools/release/release.json';
const NOTES =
  'Installations without a pause: sessions go on while base and site are replaced.\\nThe site keeps notes of releases.';

/** Takes one picture in both themes of what `page` shows now. */
export type Shoot = (page: Page, name: string, options?: { fullPage: boolean }) => Promise<void>;
const WHOLE = { fullPage: true };

export async function takeUpdates(shoot: Shoot, viewport: { width: number; height: number }): Promise<void> {
  using shop = await ReleaseShop.open(undefined, {
    [RELEASE_FILE]: (json) =>
      json.replace('"base": ">=0.1.0"', `"base": ">=${NEXT_VERSION}"`).replace('"en": ""', `"en": "${NOTES}"`),
  });
  await using server = await LaunchedUpdateServer.start(shop);
  await using online = await launchAppliance({ staged: true });
  await online.startJumpClient({ name: 'web-01' });
  await using browser = await TestBrowser.launch();
  await browser.page.setViewportSize(viewport);
  const updates = new UpdatesPage(browser.page, online.url);
  await takeOnline(updates, online, server, shoot);
  await takeByHand(updates, browser, shop, server, shoot, viewport);
}

async function takeOnline(
  updates: UpdatesPage,
  appliance: LaunchedAppliance,
  server: LaunchedUpdateServer,
  shoot: Shoot,
): Promise<void> {
  const { page } = updates;
  await updates.logInFirst(appliance.passwords.appliance, PASSWORD);
  await updates.setUp({ server: server.url, watchSeconds: WATCH_SECONDS });
  await updates.fetchFingerprint();
  await shoot(page, 'updates-settings', WHOLE);
  await updates.confirmTrust();
  await updates.checkForUpdates();
  await shoot(page, 'updates-available', WHOLE);
  await limitDownloads(appliance, DOWNLOAD_BYTES_PER_SECOND);
  await updates.button('updates:offer.installName', { name: BASE }).click();
  await page.getByRole('region', { name: text('updates:eula.text') }).waitFor();
  await shoot(page, 'updates-agreement');
  await updates.acceptAgreement('Ann Example');
  await updates.readyToBegin();
  await shoot(page, 'updates-preflight');
  await updates.beginInstalling(BASE);
  await page.getByRole('progressbar').waitFor();
  await shoot(page, 'updates-progress-download');
  await updates.installed(BASE);
  await limitDownloads(appliance, 0);
  await updates.button('updates:loadNewPage', { version: NEXT_VERSION }).click();
  await updates.button('updates:available.snapshotThen', { name: SITE }).waitFor();
  await shoot(page, 'updates-snapshot-then-site', WHOLE);
  await updates.button('updates:available.snapshotThen', { name: SITE }).click();
  await updates.beginInstalling(SITE);
  await page.getByText(/^[3-9] of \d+ s$/).waitFor();
  await shoot(page, 'updates-progress-watch');
  await updates.installed(SITE);
  await updates.verification();
  await shoot(page, 'updates-installed', WHOLE);
  await updates.button('updates:installed.rollBackName', { name: 'Site 0.1.0' }).click();
  await shoot(page, 'updates-roll-back');
  await page
    .getByRole('dialog')
    .getByRole('button', { name: text('updates:installed.rollBack'), exact: true })
    .click();
  await updates.installed('Site 0.1.0');
  await updates.tab('appliance:tab.updatesHistory');
  await page.getByRole('table').locator('tbody tr').nth(2).getByRole('button').waitFor();
  await shoot(page, 'updates-history');
  await updates.tab('appliance:tab.networking');
  await page.getByRole('heading').first().waitFor();
  await shoot(page, 'updates-ntp');
  await updates.tab('appliance:tab.support');
  await page.getByRole('heading').first().waitFor();
  await shoot(page, 'updates-email', WHOLE);
  await updates.tab('appliance:tab.updates');
}

/** An appliance without a server, whose first installation fails and is undone. */
async function takeByHand(
  online: UpdatesPage,
  browser: TestBrowser,
  shop: ReleaseShop,
  server: LaunchedUpdateServer,
  shoot: Shoot,
  viewport: { width: number; height: number },
): Promise<void> {
  await using appliance = await launchAppliance({ staged: true, environment: { BASCULE_FAULT: FAULT } });
  const context = await browser.browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB', viewport });
  const updates = new UpdatesPage(await context.newPage(), appliance.url);
  const { page } = updates;
  await updates.logInFirst(appliance.passwords.appliance, PASSWORD);
  await LaunchedUpdateServer.register(shop, 'Remote office', await updates.publicKey());
  const key = await updates.downloadKey();
  await shoot(page, 'updates-key', WHOLE);
  const keyPage = await context.newPage();
  const file = join(shop.directory, 'alpha.bascule-update');
  await keyPage.goto(server.url);
  await keyPage.locator('textarea').fill(key);
  await shoot(keyPage, 'update-server-key');
  await keyPage.locator('form button').click();
  await keyPage.locator('form[action="/redeem"] button').waitFor();
  await shoot(keyPage, 'update-server-packages');
  await redeemOnPage(keyPage, server.url, key, file);
  await online.upload(file);
  await online.refusal();
  await shoot(online.page, 'updates-refused', WHOLE);
  await updates.upload(file);
  await updates.fetchFingerprint();
  await shoot(page, 'updates-file-to-trust', WHOLE);
  await updates.confirmTrust();
  await updates.button('updates:upload.verifyName', { name: 'alpha.bascule-update' }).click();
  await updates.offer(BASE).waitFor();
  await updates.button('updates:offer.installName', { name: BASE }).click();
  await updates.acceptAgreement('Ann Example');
  await updates.beginInstalling(BASE);
  await updates.rolledBackBanner(BASE).waitFor();
  await shoot(page, 'updates-rolled-back');
}

async function limitDownloads(appliance: LaunchedAppliance, downloadLimitBytesPerSecond: number): Promise<void> {
  const box = await ApiClient.pin(appliance.url, '/appliance/api');
  await box.logIn('admin', PASSWORD);
  const { settings } = await box.call('GET', 'updates/state', updatesState);
  await box.call('PUT', 'updates/settings', z.unknown(), { ...settings, downloadLimitBytesPerSecond });
}
