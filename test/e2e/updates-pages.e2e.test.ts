/** The pages Updates, NTP and E-mail in a real browser, with an appliance that is in the states that a real one passes in a moment. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { CHECKOUT } from '@bascule/testkit/launch-appliance.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { text } from './pages.ts';
import { FixtureServer } from './updates-fixture/fixture-server.ts';
import {
  installationAt,
  MIB,
  offerOf,
  PREFLIGHT,
  RED_LINE,
  rolledBackAt,
  stateOf,
  stateWithOffers,
} from './updates-fixture/states.ts';

let fixture: FixtureServer;
let browser: TestBrowser;
let page: Page;
let url = '';

before(async () => {
  assert.ok(existsSync(join(CHECKOUT, 'apps', 'web', 'dist', 'appliance')), 'the web interface is not built: npm test builds it');
  browser = await TestBrowser.launch();
  page = browser.page;
});
after(() => browser?.[Symbol.asyncDispose]());
beforeEach(async () => {
  await fixture?.[Symbol.asyncDispose]();
  fixture = new FixtureServer();
  url = await fixture.listen();
});
after(() => fixture?.[Symbol.asyncDispose]());

const button = (name: string, values?: Record<string, string>): Locator =>
  page.getByRole('button', { name: text(name, values), exact: true });
const headline = (kind: string, values?: Record<string, string>) =>
  page.getByRole('status').filter({ hasText: text(`updates:headline.${kind}`, values) });
const open = (path = '/appliance/updates') => page.goto(`${url}${path}`);
const askedFor = (path: string) => fixture.asked.filter((one) => one.path === path);

describe('updates', { concurrency: false }, () => {
  it('asks for trust once: the fingerprint is fetched, compared and confirmed', async () => {
    fixture.updates = stateOf({ trust: null, lastCheck: null });
    await open();
    await headline('trustMissing').waitFor();
    assert.ok(await button('updates:available.check').isDisabled());
    await button('updates:trust.fetch').click();
    await page.getByText('9f2c 4e7a').waitFor();
    assert.ok(await button('updates:trust.confirm').isDisabled(), 'nothing is confirmed uncompared');
    await page.getByLabel(text('updates:trust.compared')).check();
    await button('updates:trust.confirm').click();
    await waitUntil('the root is confirmed', () => askedFor('/updates/trust').length === 1);
  });

  it('offers in the order of the path, and says what a blocked package waits for', async () => {
    fixture.updates = stateWithOffers();
    await open();
    await headline('ready_other', { count: '2' }).waitFor();
    const names = await page
      .getByRole('list', { name: text('updates:available.title') })
      .locator(':scope > li')
      .evaluateAll((items) => items.map((item) => item.getAttribute('aria-label')));
    assert.deepEqual(names, ['Site 0.2.0', 'Base 0.3.0', 'Site 0.3.0']);
    await page.getByText(text('updates:blocked.first', { name: 'Base', version: '0.3.0' })).waitFor();
    assert.ok(await button('updates:offer.installName', { name: 'Site 0.3.0' }).isDisabled());
  });

  it('installs after the agreement is accepted by name and each warning is overruled by name, all with the keyboard', async () => {
    fixture.updates = stateWithOffers();
    fixture.preflight = PREFLIGHT;
    await open();
    const install = button('updates:offer.installName', { name: 'Site 0.2.0' });
    await install.focus();
    await page.keyboard.press('Enter');
    const name = page.getByLabel(text('updates:eula.name'), { exact: true });
    await name.focus();
    await page.keyboard.type('Ann Example');
    await page.keyboard.press('Enter');
    const now = button('updates:install.confirm.install');
    await now.waitFor();
    const boxes = page.getByRole('checkbox');
    await boxes.first().waitFor();
    assert.equal(await boxes.count(), 2);
    assert.ok(await now.isDisabled(), 'warnings are not overruled yet');
    for (const box of await boxes.all()) {
      await box.focus();
      await page.keyboard.press('Space');
    }
    await now.focus();
    await page.keyboard.press('Enter');
    await waitUntil('the installation is asked for', () => askedFor('/updates/install').length === 1);
    assert.deepEqual(askedFor('/updates/install')[0]?.body, {
      target: 'site/bascule-site-0.2.0.tar.zst',
      overrule: ['certificate', 'running-sessions'],
    });
    const accepted = askedFor('/updates/eula')[0]?.body as { name: string } | undefined;
    assert.equal(accepted?.name, 'Ann Example');
  });

  it('does not begin while something is red', async () => {
    fixture.updates = stateWithOffers();
    fixture.preflight = [RED_LINE];
    await open();
    await button('updates:offer.installName', { name: 'Base 0.3.0' }).click();
    await page.getByText(text('updates:install.red')).waitFor();
    assert.ok(await button('updates:install.confirm.install').isDisabled());
  });

  it('says on an appliance of a pair that there are upgrade plans for both', async () => {
    fixture.updates = stateWithOffers();
    const peer = { name: 'bravo', state: 'reachable' };
    fixture.answers.set('GET /whoami/appliance', () => ({
      appliance: 'alpha',
      role: 'primary',
      peer,
      primaryUrl: null,
      alarms: [],
    }));
    await open();
    await button('updates:offer.installName', { name: 'Base 0.3.0' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(text('updates:install.pair', { name: 'bravo' })).waitFor();
    await dialog.getByRole('link', { name: text('appliance:tab.upgradePlans') }).click();
    await page.waitForURL('**/updates/plans');
  });

  it('shows the same progress after a reload, with the point of no return, and cancels before it', async () => {
    const progress = { done: 6 * MIB, total: 18 * MIB, unit: 'bytes' as const, perSecond: 4 * MIB, secondsLeft: 3 };
    fixture.updates = stateWithOffers({ running: installationAt('download', {}, progress) });
    await open();
    await page.getByText('6.00 MiB of 18.0 MiB · 4.00 MiB/s · 3 s left').waitFor();
    await page.reload();
    await page.getByText('6.00 MiB of 18.0 MiB').waitFor();
    await page.getByText(text('updates:progress.noReturn')).waitFor();
    await button('updates:progress.cancel').click();
    await button('updates:progress.cancelConfirm').click();
    await waitUntil('cancel is asked for', () => askedFor('/updates/cancel').length === 1);
    fixture.updates = stateWithOffers({ running: installationAt('migrate') });
    await page.getByText(text('updates:progress.notCancellable')).waitFor();
    assert.ok(await button('updates:progress.cancel').isDisabled());
  });

  it('stays calm while base is replaced, without a jump, and goes on by itself', async () => {
    const replacing = { kind: 'base', toVersion: '0.3.0' } as const;
    fixture.updates = stateWithOffers({ running: installationAt('switch', replacing) });
    await open();
    await headline('installing', { operation: text('updates:operation.install', { name: 'Base 0.3.0' }) }).waitFor();
    const place = async () => (await button('updates:progress.cancel').boundingBox())?.y;
    const placeBefore = await place();
    fixture.isSilent = true;
    await headline('baseReplaced').waitFor();
    assert.equal(await place(), placeBefore, 'nothing jumps');
    assert.equal(await page.getByRole('alert').count(), 0, 'no error is shown');
    const installed = installationAt('commit', { ...replacing, outcome: 'installed', endedAtMs: Date.now() });
    fixture.updates = stateOf({
      installed: [{ kind: 'base', version: '0.3.0', revision: 'x', installedAtMs: Date.now(), previousVersion: '0.1.0' }],
      lastInstalled: {
        ...installed,
        verification: [{ code: 'version', state: 'passed', text: 'Base 0.3.0 is in use', params: {} }],
      },
    });
    fixture.history = [installed];
    fixture.isSilent = false;
    await headline('upToDate').waitFor();
    await page.getByText(text('updates:ended.installed', { name: 'Base 0.3.0' })).waitFor();
    await button('updates:loadNewPage', { version: '0.3.0' }).waitFor();
    await button('updates:verify.again').click();
    await waitUntil('the verification is asked for', () => askedFor('/updates/verify').length === 1);
    await button('updates:installed.rollBackName', { name: 'Base 0.1.0' }).click();
    await page
      .getByRole('dialog')
      .getByRole('button', { name: text('updates:installed.rollBack'), exact: true })
      .click();
    await waitUntil('the roll back is asked for', () => askedFor('/updates/roll-back').length === 1);
  });

  it('shows the way back as one, and does not urge the version that was left', async () => {
    const back = { operation: 'roll-back', fromVersion: '0.2.0', toVersion: '0.1.0' } as const;
    const underWay = installationAt('candidate', back);
    const fetched = underWay.steps.findIndex(({ step }) => step === 'candidate');
    const steps = underWay.steps.map((step, index) => (index < fetched ? { ...step, state: 'skipped' as const } : step));
    fixture.updates = stateOf({ running: { ...underWay, steps } });
    await open();
    await page
      .getByRole('listitem')
      .filter({ hasText: text('updates:stepBack.candidate') })
      .waitFor();
    await page.getByText(text('updates:progress.noReturn')).waitFor();

    const ended = installationAt('commit', { ...back, outcome: 'installed', endedAtMs: Date.now() });
    const left = offerOf('site', '0.2.0');
    const installed = { kind: 'site', version: '0.1.0', revision: 'b2174f8', installedAtMs: Date.now() } as const;
    fixture.history = [ended];
    fixture.updates = stateOf({
      installed: [{ ...installed, previousVersion: '0.2.0' }],
      lastInstalled: ended,
      offers: [left],
      path: [
        { action: 'back-up', kind: null, version: null, target: null, downloadBytes: null, reason: 'B58' },
        { action: 'install', kind: 'site', version: '0.2.0', target: left.target, downloadBytes: 1, reason: '' },
      ],
    });
    await headline('wentBack', { name: 'Site 0.1.0' }).first().waitFor();
    await page.getByText(text('updates:ended.wentBack', { name: 'Site 0.1.0' })).waitFor();
    const card = page.getByRole('listitem', { name: 'Site 0.2.0', exact: true });
    await card.getByText(text('updates:offer.left', { at: '' }).replace(/[ .]*$/, '')).waitFor();
    assert.equal(await button('updates:available.snapshotThen', { name: 'Site 0.2.0' }).count(), 0);
    await button('updates:installed.changeName', { version: '0.2.0', kind: 'Site' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: text('updates:installed.change', { version: '0.2.0' }), exact: true }).click();
    await waitUntil('the change is asked for', () => askedFor('/updates/roll-back').length === 1);
  });

  it('tells a refusal from silence', async () => {
    await open();
    await headline('upToDate').waitFor();
    fixture.refusals.set('GET /updates/state', { status: 500, code: 'INTERNAL', message: 'no' });
    await button('updates:available.check').click();
    await page
      .getByRole('alert')
      .filter({ hasText: text('errors:INTERNAL') })
      .waitFor();
    assert.equal(await headline('silent').count(), 0);
    await page.getByRole('alert').waitFor({ state: 'detached' });
  });

  it('says what was rolled back until somebody acknowledges it', async () => {
    fixture.updates = stateOf({ rolledBack: rolledBackAt('watch') });
    fixture.log = 'step watch: site main ended';
    await open();
    const banner = page.getByRole('alert').filter({ hasText: text('updates:rolledBack.title', { name: 'Site 0.2.0' }) });
    for (const part of ['dataSafe', 'doNotRetry']) await banner.getByText(text(`updates:rolledBack.${part}`)).waitFor();
    await button('updates:rolledBack.showLog').click();
    await page.getByText('step watch: site main ended').waitFor();
    await page.keyboard.press('Escape');
    await button('updates:rolledBack.acknowledge').click();
    await waitUntil('it is acknowledged', () => askedFor('/updates/acknowledge').length === 1);
  });

  it('uploads in parts, over a cut and after a reload, and says in plain words what is wrong with a file', async () => {
    const name = 'alpha.bascule-update';
    const buffer = Buffer.alloc(9 * MIB, 7);
    fixture.cutUploadAt = 5 * MIB;
    await open();
    await page.locator('input[type=file]').setInputFiles({ name, mimeType: 'application/octet-stream', buffer });
    await page.getByText(text('updates:upload.done_one', { count: '1' })).waitFor();
    const [upload] = fixture.uploads.values();
    assert.ok(upload?.bytes.equals(buffer), 'every byte is there once');

    fixture.uploads.clear();
    fixture.uploads.set('up_9', { id: 'up_9', name, totalBytes: buffer.length, bytes: buffer.subarray(0, 4 * MIB) });
    await page.reload();
    await page.getByText(text('updates:upload.goOn', { name, done: '4.00 MiB', total: '9.00 MiB' })).waitFor();
    fixture.refusals.set('POST /updates/uploads/up_9/finish', {
      status: 422,
      code: 'UPDATE_FILE_KEY_EXPIRED',
      message: 'expired',
    });
    await page.locator('input[type=file]').setInputFiles({ name, mimeType: 'application/octet-stream', buffer });
    await page
      .getByRole('alert')
      .filter({ hasText: text('errors:UPDATE_FILE_KEY_EXPIRED') })
      .waitFor();
    assert.ok(fixture.uploads.get('up_9')?.bytes.equals(buffer), 'it went on where it had stopped');
  });

  it('makes a download key with its countdown and the clock beside it', async () => {
    await open();
    await page.getByText(text('appliance:clock.state.synchronised', { server: 'time.example.org', offset: '−12 ms' })).waitFor();
    await button('updates:key.generate').click();
    await page.getByText('-----BEGIN KEY-----').waitFor();
    await page
      .getByRole('timer')
      .filter({ hasText: /2[34]:\d\d/ })
      .waitFor();
  });

  it('saves settings that are valid, and only those', async () => {
    await open('/appliance/updates/settings');
    const address = page.getByLabel(text('updates:settings.serverUrl'), { exact: true });
    await address.fill('nonsense');
    await page.getByText(text('updates:settings.serverUrlWrong')).waitFor();
    assert.ok(await button('shared:save').isDisabled());
    await address.fill('https://mirror.example.org');
    await page.getByLabel(text('updates:settings.unattendedOn')).check();
    await button('shared:save').click();
    await waitUntil('the settings are sent', () => askedFor('/updates/settings').length === 1);
    const sent = askedFor('/updates/settings')[0]?.body as typeof fixture.updates.settings;
    assert.equal(sent.serverUrl, 'https://mirror.example.org');
    assert.deepEqual(sent.unattended, { isOn: true, days: [6, 0], fromHour: 2, hours: 4 });
  });
});

describe('NTP and e-mail', { concurrency: false }, () => {
  it('compares the clock on request, and saves the time servers', async () => {
    await open('/appliance/networking/ntp');
    await button('appliance:ntp.check').click();
    await waitUntil('the clock is compared', () => askedFor('/network/ntp/check').length === 1);
    await page.getByLabel(text('appliance:ntp.servers'), { exact: true }).fill('time.example.net');
    await button('shared:save').click();
    await waitUntil('the servers are saved', () => askedFor('/network/ntp').length === 1);
    assert.deepEqual(askedFor('/network/ntp')[0]?.body, { isOn: true, servers: ['time.example.net'] });
  });

  for (const [path, api] of [
    ['/appliance/support', '/support/email'],
    ['/login/management/email', '/settings/email'],
  ] as const)
    it(`never sends the stored password back, and shows the mail server's own words (${path})`, async () => {
      fixture.refusals.set(`POST ${api}/test`, {
        status: 502,
        code: 'MAIL_FAILED',
        message: 'The mail was not sent.',
        params: { reason: '535 5.7.8 authentication failed' },
      });
      await open(path);
      await page.getByText(text('mail:password.stored')).waitFor();
      await button('mail:test.send').click();
      await page.getByRole('alert').filter({ hasText: '535 5.7.8 authentication failed' }).waitFor();
      await page.getByLabel(text('mail:from'), { exact: true }).fill('alpha@example.org');
      await button('shared:save').click();
      await waitUntil('the settings are saved', () => askedFor(api).length === 1);
      const sent = askedFor(api)[0]?.body as Record<string, unknown>;
      assert.equal(sent['from'], 'alpha@example.org');
      assert.ok(!('password' in sent), 'what is not changed is not sent');
    });
});
