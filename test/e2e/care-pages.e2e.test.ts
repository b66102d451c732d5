/** Health, storage, syslog, support, shutting down and resetting on /appliance, in a real browser. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after as afterAll, before, beforeEach, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { healthOf, powerOf, reportOf, resetOf, retentionOf, storageOf, syslogOf } from './care-fixture/care-states.ts';
import { pageFaults } from './page-faults.ts';
import { text } from './pages.ts';
import { FixtureServer } from './updates-fixture/fixture-server.ts';

/** Pictures of each page in both themes go there. */
const PICTURES = process.env['BASCULE_PICTURES'];
let fixture: FixtureServer;
let browser: TestBrowser;
let page: Page;
let url = '';

before(async () => {
  browser = await TestBrowser.launch();
  page = browser.page;
});
afterAll(() => browser?.[Symbol.asyncDispose]());
beforeEach(async () => {
  // A page that is left open would ask an appliance that is gone, and complain.
  await page.goto('about:blank');
  await fixture?.[Symbol.asyncDispose]();
  fixture = new FixtureServer();
  const answers = {
    'GET /status/health': healthOf,
    'GET /storage': storageOf,
    'GET /storage/retention': retentionOf,
    'GET /security/syslog': syslogOf,
    'GET /status/power': powerOf,
    'GET /status/reset': resetOf,
    'GET /support/bundle/contents': () => ({ madeAtMs: 1, members: [{ name: 'versions.json', bytes: 660, about: 'Versions' }] }),
  };
  for (const [route, answer] of Object.entries(answers)) fixture.answers.set(route, () => answer());
  url = await fixture.listen();
});
afterAll(() => fixture?.[Symbol.asyncDispose]());

const open = (path: string) => page.goto(`${url}/appliance${path}`);
const button = (key: string) => page.getByRole('button', { name: text(key), exact: true });
const asked = (path: string, method: string) =>
  fixture.asked.filter((one) => one.path === path && one.method === method).map(({ body }) => body);

describe('pages that look after the box', { concurrency: false }, () => {
  for (const [path, heading] of [
    ['/status/health', 'health:chart.cpu'],
    ['/storage', 'storage:retention.title'],
    ['/security/syslog', 'syslog:title'],
    ['/support/utilities', 'support:utilities.title'],
    ['/support/bundle', 'support:bundle.title'],
  ] as const)
    it(`${path} is in order for everybody, in both themes`, async () => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await open(path);
        await page.getByText(text(heading), { exact: true }).first().waitFor();
        assert.deepEqual(await pageFaults(page), []);
        const name = `${path.split('/').at(-1)}-${colorScheme}.png`;
        if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, name), fullPage: true });
      }
      await page.emulateMedia({ colorScheme: 'light' });
    });

  it('a chart is read with the keyboard, and as a table', async () => {
    await open('/status/health');
    const chart = page.getByRole('figure', { name: text('health:chart.clients') });
    await chart.getByRole('img').focus();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowLeft');
    await chart
      .getByRole('listitem')
      .filter({ hasText: /^2026-11-2\d \d\d:\d8$/ })
      .waitFor();
    await chart.getByText(text('health:asTable')).click();
    assert.equal(await chart.locator('tbody tr').count(), 55, 'what was not measured is no row');
  });

  it('a shorter retention asks first; what is removed is gone', async () => {
    await open('/storage');
    await page.getByRole('textbox', { name: text('storage:limit.recordingsMaxDays') }).fill('30');
    await button('shared:save').click();
    await page.getByText(text('storage:retention.consequences')).waitFor();
    assert.deepEqual(asked('/storage/retention', 'PUT'), []);
    await button('storage:retention.confirm').click();
    await waitUntil('it was asked for', () => asked('/storage/retention', 'PUT').length === 1 || undefined);
    assert.deepEqual(asked('/storage/retention', 'PUT'), [
      { recordingsMaxDays: 30, recordingsMaxGibibytes: null, reportsMaxDays: 730 },
    ]);
  });

  it('a syslog server is added beside the others, whose keys are not sent again', async () => {
    await open('/security/syslog');
    await button('syslog:add').click();
    await page.getByLabel(text('syslog:dialog.host')).fill('second.example.org');
    await button('shared:save').click();
    await waitUntil('it was asked for', () => asked('/security/syslog', 'PUT').length === 1 || undefined);
    const [{ destinations }] = asked('/security/syslog', 'PUT') as [{ destinations: { host: string; clientKeyPem?: string }[] }];
    assert.deepEqual(
      destinations.map(({ host }) => host),
      ['logs.example.org', 'second.example.org'],
    );
    assert.ok(destinations.every(({ clientKeyPem }) => clientKeyPem === undefined));
  });

  it('the report of a reset is shown until somebody has logged in', async () => {
    fixture.answers.set('GET /erasure-report', () => ({ report: reportOf() }));
    await open('/storage');
    await page.getByText(text('reset:report.title')).waitFor();
    await page.getByText(text('reset:report.overwritten')).waitFor();
    assert.deepEqual(await pageFaults(page), []);
  });
});
