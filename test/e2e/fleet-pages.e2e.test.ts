/** The pages of the fleet in a real browser: with 15,000 clients that only answer, in states that pass quickly. With a real appliance: real-fleet.e2e.test.ts. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { createInstallerBody } from '@bascule/protocol/api/installers.ts';
import { lossesBody } from '@bascule/protocol/api/fleet.ts';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { CHECKOUT } from '@bascule/testkit/launch-appliance.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { HALT, settingsOf } from './fleet-fixture/answers.ts';
import { FleetServer } from './fleet-fixture/fleet-server.ts';
import { pageFaults } from './page-faults.ts';
import { text } from './pages.ts';

const PAGES = {
  upgrades: '/login/jump/upgrades',
  settings: '/login/jump/client-settings',
  installers: '/login/jump/installers',
  wizard: '/login/jump/installers/new',
  trust: '/login/jump/trust',
  status: '/login/status',
  downloads: '/login/account/downloads',
};
/** A text that was asked for by its key and is not there. */
const RAW_KEY = /\b(fleet|installers|trust|login|shared):[a-z]/;

/** Made by openssl for these tests; nobody has its key. */
const PEM = `-----BEGIN CERTIFICATE-----
MIIB2zCCAYCgAwIBAgIUDQN5/rsejvf6UdqbpA7Pj7WsLy4wCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTaWdub3JlZC5leGFtcGxlLm9yZzAgFw0yNjExMjExMTMwMTJa
GA8yMTI2MTAyODExMzAxMlowHjEcMBoGA1UEAwwTaWdub3JlZC5leGFtcGxlLm9y
ZzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJHdGeX9x60LqWeDvopTXMOBj2Zc
Kj0BDcW7bNs0k54CE5AmBQJXxdejCSF8TDYQtGJOS41jxLd9H6sJ4tbAwzejgZkw
gZYwHQYDVR0OBBYEFHeOLnz/3wm+pUJdxrFh1iGZpDlnMB8GA1UdIwQYMBaAFHeO
Lnz/3wm+pUJdxrFh1iGZpDlnMA8GA1UdEwEB/wQFMAMBAf8wQwYDVR0RBDwwOoIR
QWxwaGEuZXhhbXBsZS5vcmeCDSouZXhhbXBsZS5uZXSHBMAAAgeHECABDbgAAAAA
AAAAAAAAAAEwCgYIKoZIzj0EAwIDSQAwRgIhALKMSPXSxV8fmGtoUuHZhmF/Lk8o
YaM780hHOPEIXXtmAiEAwY339477mzbBePqDXco9lVYaHgGu8ubIZGwXWw5goE0=
-----END CERTIFICATE-----`;

let browser: TestBrowser;
let page: Page;

before(async () => {
  assert.ok(existsSync(join(CHECKOUT, 'apps', 'web', 'dist', 'site')), 'the web interface is not built: npm test builds it');
  browser = await TestBrowser.launch();
  page = browser.page;
});
after(() => browser?.[Symbol.asyncDispose]());

const button = (name: string, values?: Record<string, string>): Locator =>
  page.getByRole('button', { name: text(name, values), exact: true });
const heading = (name: string) => page.getByRole('heading', { name: text(name), exact: true });

/** What stands in for lists and facts while they are read is gone. */
const untilAnswered = () =>
  waitUntil('the page has its answers', async () => (await page.locator('.mantine-Skeleton-root').count()) === 0);

/** Moves the focus with Tab until it is on `target`, as somebody without a mouse does. */
async function tabTo(target: Locator): Promise<void> {
  for (let presses = 0; presses < 60; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error('the focus does not get there');
}

describe('pages of a fleet of 15,000', { concurrency: false }, () => {
  let fleet: FleetServer;
  let url = '';
  beforeEach(async () => {
    // A page that is left open would ask an appliance that is gone, and complain.
    await page.goto('about:blank');
    await fleet?.[Symbol.asyncDispose]();
    fleet = new FleetServer();
    url = await fleet.listen();
  });
  after(() => fleet?.[Symbol.asyncDispose]());
  const open = (path: string) => page.goto(`${url}${path}`);
  const askedFor = (path: string) => fleet.asked.filter((one) => one.path === path);

  it('are in order for everybody: names, headings, contrast in both themes, and every text in four languages', async () => {
    for (const path of Object.values(PAGES)) {
      fleet.language = 'en';
      await open(path);
      await page.locator('main h2').first().waitFor();
      await untilAnswered();
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await pageFaults(page), [], `${path} (${colorScheme})`);
      }
    }
    for (const [language, path] of [
      ['de', PAGES.upgrades],
      ['nl', PAGES.settings],
      ['it', PAGES.trust],
    ] as const) {
      fleet.language = language;
      await open(path);
      await page.locator('main h2').first().waitFor();
      await untilAnswered();
      assert.doesNotMatch(await page.locator('main').innerText(), RAW_KEY, `${language} ${path}`);
    }
  });

  it('say how far the rollout is in words, in numbers and as a table, and nothing moves while it goes on', async () => {
    await open(PAGES.upgrades);
    await page
      .getByRole('status')
      .filter({ hasText: text('fleet:headline.running_other', { version: '0.2.0', number: '5,782' }) })
      .waitFor();
    await page.getByText(text('fleet:unsupportedBeside_other', { number: '7' })).waitFor();
    const legend = page.getByRole('list', { name: text('fleet:progress.legend') });
    await legend.getByText('4,828', { exact: true }).waitFor();
    await page.getByText(text('fleet:chart.table'), { exact: true }).first().click();
    await page.getByRole('table', { name: text('fleet:chart.table') }).waitFor();
    await page.getByText(text('fleet:chart.table'), { exact: true }).first().click();
    const table = page.getByRole('table', { name: text('fleet:clients.title') });
    await table.getByText('web-0001').waitFor();
    const place = () => table.evaluate((element) => element.getBoundingClientRect().y + window.scrollY);
    const placeBefore = await place();
    await page.getByLabel(text('fleet:selection.chooseName', { name: 'web-0001' })).check();
    await page.waitForResponse((response) => response.url().endsWith('/fleet/rollout'));
    assert.equal(await place(), placeBefore);
  });

  it('lists the clients by page and by state, with reasons in plain words', async () => {
    await open(PAGES.upgrades);
    const pager = page.getByRole('navigation', { name: text('shared:pager.label', { label: text('fleet:clients.title') }) });
    await pager.getByText(text('shared:pager.range', { from: '1', to: '100', total: '15,000' })).waitFor();
    await pager.getByRole('button', { name: text('shared:pager.next') }).click();
    await pager.getByText(text('shared:pager.range', { from: '101', to: '200', total: '15,000' })).waitFor();
    await page.getByRole('combobox', { name: text('fleet:clients.stateFilter') }).click();
    await page.getByRole('option', { name: text('fleet:state.failed'), exact: true }).click();
    await pager.getByText(text('shared:pager.range', { from: '1', to: '28', total: '28' })).waitFor();
    await page.getByText(text('fleet:reason.signature')).waitFor();
    await button('fleet:clients.retryLabel', { name: 'web-0003' }).click();
    await waitUntil('it is tried again', () => fleet.asked.some(({ path }) => path.endsWith('/retry')));
  });

  it('pauses at once; after a halt says why and what to do, and resumes with those that failed', async () => {
    await open(PAGES.upgrades);
    await button('fleet:action.pause').click();
    await waitUntil('pause is asked for', () => askedFor('/fleet/rollout/pause').length === 1);
    fleet.rollout = HALT;
    await page.reload();
    await page.getByText(text('fleet:halt.failures', { ring: 'Canary' })).waitFor();
    await page.getByText(text('fleet:haltDo.failures')).waitFor();
    await button('fleet:action.resume').focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel(text('fleet:action.retryFailed_other', { number: '28' })).waitFor();
    await tabTo(dialog.getByRole('button', { name: text('fleet:action.resume') }));
    await page.keyboard.press('Enter');
    await waitUntil('resume is asked for', () => askedFor('/fleet/rollout/resume').length === 1);
    assert.deepEqual(askedFor('/fleet/rollout/resume')[0]?.body, { retryFailed: true });
  });

  it('uninstalls only after the question, and gives the list for redeployment once', async () => {
    await open(PAGES.upgrades);
    for (const name of ['web-0001', 'web-0003']) await page.getByLabel(text('fleet:selection.chooseName', { name })).check();
    await page.getByRole('button', { name: text('fleet:uninstall.open') }).click();
    await page.getByText('web-0001, web-0003').waitFor();
    assert.equal(askedFor('/fleet/uninstall').length, 0);
    await page
      .getByRole('dialog')
      .getByRole('button', { name: text('fleet:uninstall.confirm'), exact: true })
      .click();
    const download = page.waitForEvent('download');
    await button('fleet:redeploy.csv').click();
    const file = readFileSync(await (await download).path(), 'utf8');
    assert.match(file, /^"id","name","host","group","state"\r\n"jc_[^\n]*"web-1.example.org","Web servers","told"\r\n/);
    await page.keyboard.press('Escape');
    await button('fleet:redeploy.saved').click();
    await page.getByText(text('fleet:selection.count_other', { number: '0' })).waitFor();
  });

  it('sends settings that are valid, and only those', async () => {
    await open(PAGES.settings);
    const concurrent = page.getByLabel(text('fleet:settings.maxConcurrent'), { exact: true });
    await concurrent.fill('0');
    assert.ok(await button('shared:save').isDisabled());
    await concurrent.fill('25');
    await page.getByLabel(text('fleet:settings.bandwidthOn')).uncheck();
    await page.getByLabel(text('fleet:settings.upgradesChoice.cycle'), { exact: true }).check();
    await button('fleet:rings.up', { place: '2' }).click();
    await button('shared:save').click();
    await waitUntil('the settings are sent', () => askedFor('/fleet/settings').length === 1);
    const { rings } = settingsOf();
    assert.deepEqual(
      askedFor('/fleet/settings')[0]?.body,
      settingsOf({ maxConcurrent: 25, maxBytesPerSecond: null, upgrades: 'cycle', rings: [rings[1]!, rings[0]!, rings[2]!] }),
    );
  });

  it('leads through the wizard by keyboard, shows the key once, and names what the upgrade made invalid', async () => {
    await open(PAGES.installers);
    await page.getByText(text('installers:outdated.which', { names: 'Databases, October, Branch offices' })).waitFor();
    await button('installers:create').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('radio', { name: text('installers:wizard.keys.generic') }).check();
    for (let step = 0; step < 2; step += 1) await tabAndPress(button('installers:wizard.next'));
    await tabAndPress(button('installers:wizard.next'));
    await page.getByText(text('installers:wizard.nameMissing')).waitFor();
    await page.getByLabel(text('installers:name'), { exact: true }).fill('Golden image');
    await page.keyboard.press('Enter');
    await tabAndPress(button('installers:wizard.create'));
    await page.getByText('K7QF-93MD-2XWP-T4HC-8RNA', { exact: true }).waitFor();
    const sent = createInstallerBody.parse(askedFor('/installers')[0]?.body);
    assert.deepEqual([sent.name, sent.isGeneric, sent.approveEach, sent.version], ['Golden image', true, true, 'current']);
    assert.deepEqual(await pageFaults(page), []);
    await button('installers:made.saved').click();
    await heading('installers:title').waitFor();
    assert.ok(!(await page.content()).includes('K7QF-93MD'));
  });

  it('tells who would be lost, why and what to do, also that it is nobody', async () => {
    await open(PAGES.trust);
    assert.ok(await button('trust:losses.look').isDisabled(), 'nothing is described yet');
    await page.getByLabel(text('trust:certificate.pem')).fill(PEM);
    await page.getByText('alpha.example.org, *.example.net, 192.0.2.7, 2001:db8::1').waitFor();
    await button('trust:losses.look').click();
    await page.getByText(text('trust:losses.lost_other', { number: '4' })).waitFor();
    await page.getByText(text('trust:code.dials-old-name')).waitFor();
    await page.getByText(text('trust:codeDo.dials-old-name')).waitFor();
    const { change } = lossesBody.parse(askedFor('/fleet/losses')[0]?.body);
    assert.ok(change.kind === 'certificate' && !change.isPubliclyTrusted && change.names.includes('192.0.2.7'));
    fleet.losses = { connected: 2, seenLately: 3, lost: 0, trouble: 0, list: [] };
    await page.getByRole('button', { name: text('trust:identity.rotate') }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(text('trust:losses.nobody')).waitFor();
    assert.equal(askedFor('/fleet/identity/rotate').length, 0);
    await dialog.getByRole('button', { name: text('trust:rotate.confirm'), exact: true }).click();
    await waitUntil('the rotation is asked for', () => askedFor('/fleet/identity/rotate').length === 1);
  });

  async function tabAndPress(target: Locator): Promise<void> {
    await tabTo(target);
    await page.keyboard.press('Enter');
  }
});
