/** /appliance > Support > Restore in a real browser, with an appliance that is in the states that a real one passes in a moment. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { RESTORE_STEPS, restoreState, type Restoration, type RestoreState } from '@bascule/protocol/api/restore.ts';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { CHECKOUT } from '@bascule/testkit/launch-appliance.ts';
import { text } from './pages.ts';
import { FixtureServer } from './updates-fixture/fixture-server.ts';

const AT_MS = Date.UTC(2026, 10, 21, 8, 30);
const UPLOAD = '019aa000-0000-7000-8000-000000000001';
const SOURCE = { name: 'old.bascule-backup.age', appliance: 'old box', siteVersion: '0.5.0', madeAtMs: AT_MS };
/** Pictures of each state in both themes go there. */
const PICTURES = process.env['BASCULE_PICTURES'];

function stateOf(more: Partial<RestoreState> = {}): RestoreState {
  return restoreState.parse({
    nowMs: AT_MS,
    applianceName: 'new box',
    siteVersion: '0.6.0',
    siteReady: true,
    blocked: [],
    uploads: [{ id: UPLOAD, name: SOURCE.name, receivedBytes: 48_000_000, totalBytes: 48_000_000 }],
    inspection: null,
    running: null,
    last: null,
    ...more,
  });
}

function inspected(): RestoreState {
  const part = (name: string, isIncluded: boolean, bytes: number, outcome: string) => ({
    part: name,
    isIncluded,
    bytes,
    count: 1,
    outcome,
  });
  const preview = {
    ...SOURCE,
    baseVersion: 'base 0.5.0',
    history: '',
    epoch: 1,
    schema: 40,
    hasPassword: true,
    parts: [
      part('configuration', true, 41_000_000, 'replaced'),
      part('history', true, 0, 'replaced'),
      part('site-identity', true, 2000, 'replaced'),
      part('files', true, 3_000_000, 'replaced'),
      part('recordings', false, 0, 'absent'),
      part('box-settings', true, 9000, 'optional'),
    ],
    unpackedBytes: 44_011_000,
    migrations: ['vault', 'file-store'],
    isSameSite: false,
    replaced: { users: 1, clients: 0, sessions: 0, newestChangeAtMs: AT_MS },
    contents: { users: 12, clients: 340, sessions: 5210 },
    lostClients: { count: 0, names: [] },
    loginAdministrators: { count: 2, names: ['ada', 'grace'] },
    loginUsers: 12,
    applianceAdministrators: ['admin'],
    vaultKey: { state: 'missing', secrets: 14 },
    boxSettings: ['NTP server: ntp.example', 'Mail server: mail.example:465'],
    pair: null,
    remarks: [
      { code: 'VAULT_KEY_MISSING', message: 'x', params: { secrets: 14 } },
      { code: 'RECORDINGS_MISSING', message: 'x', params: {} },
      { code: 'OTHER_SITE', message: 'x', params: {} },
    ],
  };
  return stateOf({
    inspection: { upload: UPLOAD, name: SOURCE.name, state: 'done', progress: null, preview, error: null } as never,
  });
}

function restorationAt(step: Restoration['step'], more: Partial<Restoration> = {}): Restoration {
  const at = RESTORE_STEPS.indexOf(step);
  const isOver = more.outcome !== undefined;
  return {
    id: 'rst_1',
    operation: 'restore',
    source: SOURCE,
    startedBy: 'admin',
    startedAtMs: AT_MS,
    endedAtMs: isOver ? AT_MS : null,
    outcome: 'running',
    step,
    steps: RESTORE_STEPS.map((name, index) => ({
      step: name,
      state: isOver || index < at ? 'done' : index === at ? 'running' : 'waiting',
      startedAtMs: AT_MS,
      endedAtMs: null,
    })),
    progress: isOver ? null : { done: 31_000_000, total: 44_011_000, unit: 'bytes' },
    mayCancel: at < 4,
    cause: null,
    report: null,
    mayUndo: false,
    acknowledgedBy: null,
    ...more,
  };
}

const REPORT: Restoration['report'] = {
  clients: { total: 340, back: 337 },
  missingClients: { count: 3, names: ['door-7', 'kiosk-2', 'till-19'] },
  lostClients: { count: 0, names: [] },
  unreadableSecrets: ['second factor of ada', 'password of the mail server'],
  boxSettings: { applied: ['NTP server: ntp.example'], failed: [] },
  ended: [],
  unavailableMs: 4200,
  history: 'his_1',
  epoch: 2,
};

describe('restore', { concurrency: false }, () => {
  let fixture: FixtureServer;
  let browser: TestBrowser;
  let page: Page;
  let state = stateOf();
  const sent: { path: string; body: unknown }[] = [];

  before(async () => {
    assert.ok(
      existsSync(join(CHECKOUT, 'apps', 'web', 'dist', 'appliance')),
      'the web interface is not built: npm test builds it',
    );
    browser = await TestBrowser.launch();
    page = browser.page;
    fixture = new FixtureServer();
    const url = await fixture.listen();
    await page.route('**/appliance/api/restore/**', (route) => {
      const request = route.request();
      if (request.method() === 'GET') return route.fulfill({ json: state });
      sent.push({ path: new URL(request.url()).pathname, body: request.postDataJSON() as unknown });
      return route.fulfill({ json: request.url().endsWith('/start') ? { id: 'rst_1' } : { ok: true } });
    });
    await page.goto(`${url}/appliance/support/restore`);
  });
  after(async () => {
    await browser?.[Symbol.asyncDispose]();
    await fixture?.[Symbol.asyncDispose]();
  });

  /** Shows `next`, and takes a picture of it in both themes when they are wanted. */
  async function show(next: RestoreState, name: string): Promise<void> {
    state = next;
    await page.reload();
    await page.getByRole('heading', { level: 2 }).first().waitFor();
    if (PICTURES === undefined) return;
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(PICTURES, `${name}-${colorScheme}.png`), fullPage: true });
    }
  }

  it('looks into a backup with its password', async () => {
    await show(stateOf(), 'restore-choose');
    await page.getByLabel(text('restore:choose.password')).fill('the password');
    await page.getByRole('button', { name: text('restore:choose.lookName', { name: SOURCE.name }) }).click();
    await assertSent('/appliance/api/restore/inspect', { upload: UPLOAD, password: 'the password' });
  });

  it('shows what it holds and what is missing, and restores after the name was typed', async () => {
    await show(inspected(), 'restore-preview');
    await page.getByText(text('restore:remark.OTHER_SITE')).waitFor();
    await page.getByRole('button', { name: text('restore:preview.start') }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel(text('restore:start.boxSettings')).check();
    await dialog.getByText('NTP server: ntp.example').waitFor();
    if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, 'restore-dialog-dark.png') });
    // The page was loaded anew since it was typed, and nothing keeps it.
    await dialog.getByLabel(text('restore:start.password')).fill('the password');
    await dialog.getByLabel(text('restore:start.name')).fill('new box');
    await dialog.getByRole('button', { name: text('restore:start.confirm') }).click();
    await assertSent('/appliance/api/restore/start', {
      upload: UPLOAD,
      password: 'the password',
      withBoxSettings: true,
      breakPair: false,
      confirm: 'new box',
    });
  });

  it('shows each step, and cancels only while nothing was changed', async () => {
    await show(stateOf({ running: restorationAt('unpack') }), 'restore-running');
    assert.ok(await page.getByRole('button', { name: text('restore:running.cancel') }).isEnabled());
    await page.getByText(text('restore:step.swap')).waitFor();
    await show(stateOf({ running: restorationAt('swap') }), 'restore-late');
    assert.ok(await page.getByRole('button', { name: text('restore:running.cancel') }).isDisabled());
  });

  it('says who is back, what cannot be read, and offers the way back', async () => {
    const last = restorationAt('report', { outcome: 'restored', report: REPORT, mayUndo: true });
    await show(stateOf({ uploads: [], last }), 'restore-ended');
    await page.getByText('door-7, kiosk-2, till-19').waitFor();
    await page.getByRole('button', { name: text('restore:undo.open') }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel(text('restore:start.name')).fill('new box');
    await dialog.getByRole('button', { name: text('restore:undo.confirm') }).click();
    await assertSent('/appliance/api/restore/undo', { id: 'rst_1', confirm: 'new box' });
    const cause = { code: 'RESTORE_SITE_NOT_STARTED', message: 'x', params: { why: 'its database cannot be read.' } };
    await show(stateOf({ last: restorationAt('start', { outcome: 'taken-back', cause }) }), 'restore-taken-back');
    await page.getByText('its database cannot be read.').waitFor();
    // What the fixture does not know is other pages' business.
    assert.deepEqual(
      browser.complaints.filter((complaint) => !complaint.includes('404')),
      [],
    );
  });

  async function assertSent(path: string, body: unknown): Promise<void> {
    for (let tries = 0; tries < 200 && sent.length === 0; tries += 1) await page.waitForTimeout(25);
    assert.deepEqual(sent.shift(), { path, body });
  }
});
