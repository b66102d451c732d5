/** Management > Software and Vault Key, Configuration > File Store in a real browser, on a site that only answers, in states that pass quickly. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { backupDestinationBody, changeBackupScheduleBody, makeBackupBody } from '@bascule/protocol/api/backup.ts';
import { startStoredUpload } from '@bascule/protocol/api/file-store.ts';
import { downloadVaultKey, restoreVaultKey } from '@bascule/protocol/api/vault.ts';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { CHECKOUT } from '@bascule/testkit/launch-appliance.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { FOLDER, HOST_KEY, NO_BACKUPS, SCHEDULE, vaultOf, vaultWithoutKey } from './box-login-fixture/answers.ts';
import { BoxLoginServer } from './box-login-fixture/box-login-server.ts';
import { pageFaults } from './page-faults.ts';
import { text } from './pages.ts';

const PAGES = {
  software: '/login/management/software',
  vault: '/login/management/vault-key',
  files: '/login/configuration/file-store',
  status: '/login/status',
};
/** A text that was asked for by its key and is not there. */
const RAW_KEY = /\b(backup|vault|file-store|login|shared):[a-z]/;
const PASSWORD = 'nine green bottles on a wall';

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
const region = (name: string): Locator => page.getByRole('region', { name: text(name), exact: true }).first();
const field = (name: string, within: Locator = page.locator('main')): Locator => within.getByLabel(text(name), { exact: true });

const untilAnswered = () =>
  waitUntil('the page has its answers', async () => (await page.locator('.mantine-Skeleton-root').count()) === 0);

describe('pages of backups, vault key and file store', { concurrency: false }, () => {
  let site: BoxLoginServer;
  let url = '';
  beforeEach(async () => {
    // A page that is left open would ask an appliance that is gone, and complain.
    await page.goto('about:blank');
    await site?.[Symbol.asyncDispose]();
    site = new BoxLoginServer();
    url = await site.listen();
  });
  after(() => site?.[Symbol.asyncDispose]());
  const open = async (path: string) => {
    await page.goto(`${url}${path}`);
    await page.locator('main h2').first().waitFor();
    await untilAnswered();
  };
  const askedFor = (method: string, path: string) => site.asked.filter((one) => one.method === method && one.path === path);
  const bodyOf = async (method: string, path: string): Promise<unknown> =>
    await waitUntil(`${method} ${path} is sent`, () => askedFor(method, path)[0]?.body);

  it('are in order for everybody: names, headings, contrast in both themes, width of a phone, and four languages', async () => {
    for (const path of [PAGES.software, PAGES.vault, PAGES.files]) {
      site.language = 'en';
      await open(path);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await pageFaults(page), [], `${path} (${colorScheme})`);
      }
      await page.setViewportSize({ width: 400, height: 800 });
      assert.deepEqual(await pageFaults(page), [], `${path} (narrow)`);
      await page.setViewportSize({ width: 1280, height: 800 });
    }
    for (const [language, path] of [
      ['de', PAGES.software],
      ['nl', PAGES.vault],
      ['it', PAGES.files],
    ] as const) {
      site.language = language;
      await open(path);
      assert.doesNotMatch(await page.locator('main').innerText(), RAW_KEY, `${language} ${path}`);
    }
  });

  it('make a backup by keyboard: the password is judged, its meaning said, progress shown and cancelled, and nothing moves', async () => {
    await open(PAGES.software);
    const form = region('backup:make.title');
    await page.getByText(text('backup:meaning.without.identity')).first().waitFor();
    await field('backup:password.label', form).fill('password1234');
    await page.getByText(text('shared:newPassword.strength.weak')).waitFor();
    await field('backup:password.label', form).fill(PASSWORD);
    await page.getByText(text('shared:newPassword.strength.strong')).waitFor();
    await form.getByText(text('backup:meaning.with.lost')).waitFor();
    assert.ok(await button('backup:make.withPassword').isDisabled(), 'the password is typed once only');
    await page.keyboard.press('Tab');
    await field('backup:password.repeat', form).fill(PASSWORD);
    await field('backup:include.recordings', form).check();
    const place = () => form.evaluate((element) => element.getBoundingClientRect().y + window.scrollY);
    const before = await place();
    await field('backup:password.repeat', form).press('Enter');
    const sent = makeBackupBody.parse(await bodyOf('POST', '/backups'));
    assert.deepEqual(sent, {
      password: PASSWORD,
      include: { history: true, files: true, recordings: true, boxSettings: true },
      destination: 'here',
    });
    await page.getByText(text('backup:phase.writing')).waitFor();
    assert.equal(await place(), before);
    assert.equal(await field('backup:password.label', form).inputValue(), '', 'the password does not stay in the page');
    await button('shared:cancel').click();
    await page
      .getByRole('status')
      .filter({ hasText: text('backup:standing.changed', { ago: '1 d' }) })
      .waitFor();
  });

  it('list backups with their state, give the file, and delete only after the question', async () => {
    await open(PAGES.software);
    const table = page.getByRole('table', { name: text('backup:list.title') });
    await table.getByText('restorable').first().waitFor();
    assert.equal(await table.getByRole('link').count(), 3, 'three lie on this appliance');
    await page
      .getByRole('button', { name: /^Actions for 20/ })
      .first()
      .click();
    await page.getByRole('menuitem', { name: text('backup:list.details') }).click();
    await page.getByRole('dialog').getByText('ab'.repeat(32)).waitFor();
    await page.keyboard.press('Escape');
    await page
      .getByRole('button', { name: /^Actions for 20/ })
      .nth(1)
      .click();
    await page.getByRole('menuitem', { name: `${text('shared:delete')} …` }).click();
    await page
      .getByRole('dialog')
      .getByText(text('backup:delete.left_other', { count: '3' }))
      .waitFor();
    assert.equal(site.asked.length, 0);
    await page
      .getByRole('dialog')
      .getByRole('button', { name: text('shared:delete'), exact: true })
      .click();
    await waitUntil('it is deleted', () => site.asked.some(({ method }) => method === 'DELETE'));
    await page.getByText(text('backup:changes.title_other', { number: '14' })).click();
    await page
      .getByRole('list', { name: text('backup:changes.label') })
      .getByText('Made the user carla')
      .first()
      .waitFor();
    await button('shared:more').click();
    await waitUntil('the older changes are there', async () => (await page.getByRole('listitem').count()) >= 14);
  });

  it('change the schedule, and add a server only with a host key that somebody confirmed', async () => {
    await open(PAGES.software);
    await button('backup:schedule.change').click();
    const form = page.getByRole('form', { name: text('backup:schedule.title') });
    await form.getByLabel(text('backup:times.at')).fill('04:30');
    await field('backup:include.recordings', form).check();
    await form.getByRole('button', { name: text('backup:destination.test') }).click();
    await form.getByText(text('backup:destination.works', { milliseconds: '214' })).waitFor();
    await form.getByRole('button', { name: text('shared:save') }).click();
    const schedule = changeBackupScheduleBody.parse(await bodyOf('PUT', '/backup/schedule'));
    const { hasPassword: _, ...saved } = SCHEDULE;
    assert.deepEqual(schedule, {
      ...saved,
      times: { kind: 'daily', atMinute: 270 },
      include: { ...saved.include, recordings: true },
    });
    await page.getByRole('button', { name: text('backup:destination.add') }).click();
    const dialog = page.getByRole('dialog');
    await field('backup:destination.name', dialog).fill('nas-3');
    await field('backup:destination.host', dialog).fill('nas-3.example.org');
    await field('backup:destination.account', dialog).fill('bascule');
    await field('backup:destination.password', dialog).fill('secret of the account');
    await field('backup:destination.path', dialog).fill('alpha');
    await dialog.getByRole('button', { name: text('backup:destination.save') }).click();
    await dialog.getByText(text('backup:destination.incomplete')).waitFor();
    await dialog.getByRole('button', { name: text('backup:destination.askHostKey') }).click();
    await dialog.getByText(HOST_KEY).waitFor();
    await dialog.getByLabel(text('backup:destination.hostKeyConfirm')).check();
    assert.deepEqual(await pageFaults(page), []);
    await dialog.getByRole('button', { name: text('backup:destination.save') }).click();
    const { place } = backupDestinationBody.parse(await bodyOf('POST', '/backup/destinations'));
    assert.ok(place.kind === 'sftp' && place.hostKey === HOST_KEY && place.port === 22);
    await page.getByRole('row').filter({ hasText: FOLDER.name }).waitFor();
  });

  it('say that secrets are unreadable, show what a vault key file would do, and only then restore it', async () => {
    site.vault = vaultWithoutKey();
    await open(PAGES.vault);
    await page.getByText(text('vault:standing.unreadable_other', { number: '39' })).waitFor();
    await page.getByText(text('vault:secrets.names'), { exact: true }).click();
    await page.getByText(`${text('vault:kind.second-factor')}: ada`).waitFor();
    const section = region('vault:restore.title');
    await section
      .locator('input[type=file]')
      .setInputFiles({ name: 'alpha.bascule-vault-key.age', mimeType: '', buffer: Buffer.from('key') });
    await field('vault:restore.password', section).fill(PASSWORD);
    await page.keyboard.press('Enter');
    await section.getByText(text('vault:restore.becomes_other', { number: '39' })).waitFor();
    assert.equal(askedFor('POST', '/vault-key/restore').length, 0);
    assert.deepEqual(await pageFaults(page), []);
    await section.getByRole('button', { name: text('vault:restore.confirm'), exact: true }).click();
    const sent = restoreVaultKey.parse(await bodyOf('POST', '/vault-key/restore'));
    assert.deepEqual(sent, { file: Buffer.from('key').toString('base64'), password: PASSWORD });
    await page.getByText(/The vault key is here, and was downloaded on/).waitFor();
  });

  it('give the vault key with a password alone, and rotate it after saying what follows', async () => {
    site.vault = vaultOf({ download: null });
    await open(PAGES.vault);
    await page.getByText(text('vault:standing.never-downloaded')).waitFor();
    const section = region('vault:download.title');
    assert.ok(await button('vault:download.button').isDisabled());
    await field('vault:download.password', section).fill(PASSWORD);
    await field('vault:download.repeat', section).fill(PASSWORD);
    const download = page.waitForEvent('download');
    await page.keyboard.press('Enter');
    assert.match(readFileSync(await (await download).path(), 'utf8'), /by a password/);
    assert.deepEqual(downloadVaultKey.parse(await bodyOf('POST', '/vault-key/download')), { password: PASSWORD });
    await page.getByText(/The vault key is here, and was downloaded on/).waitFor();
    await page.getByRole('button', { name: text('vault:rotation.begin') }).click();
    await page
      .getByRole('dialog')
      .getByText(text('vault:rotation.what_other', { number: '45' }))
      .waitFor();
    await page
      .getByRole('dialog')
      .getByRole('button', { name: text('vault:rotation.confirm') })
      .click();
    await page.getByText(text('vault:rotation.progress', { done: '17', total: '45' })).waitFor();
  });

  it('store several files, refuse what does not fit before it is sent, find, delete and take back', async () => {
    await open(PAGES.files);
    site.files = { ...site.files, uploadMaxBytes: 1000 };
    await page.reload();
    await untilAnswered();
    const files = ['one.txt', 'two.txt'].map((name) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(name) }));
    const large = { name: 'large.iso', mimeType: '', buffer: Buffer.alloc(1001) };
    await page.locator('input[type=file]').setInputFiles([...files, large]);
    await page.getByRole('alert').filter({ hasText: 'large.iso' }).waitFor();
    const queue = page.getByRole('list', { name: text('file-store:upload.queue') });
    await waitUntil(
      'both are in the store',
      async () => (await queue.getByText(text('file-store:upload.state.done')).count()) === 2,
    );
    const names = askedFor('POST', '/file-store/uploads').map(({ body }) => startStoredUpload.parse(body).name);
    assert.deepEqual(names, ['one.txt', 'two.txt']);
    await page.getByText(text('file-store:list.found_other', { number: '6' })).waitFor();
    await page.getByRole('searchbox').fill('putty terminal');
    await page
      .getByRole('status')
      .filter({ hasText: text('file-store:list.found_one') })
      .waitFor();
    await page.getByRole('button', { name: text('shared:actionsFor', { name: 'putty-0.81-x64.msi' }) }).click();
    await page.getByRole('menuitem', { name: text('shared:delete') }).click();
    await page.getByText(text('file-store:list.noMatch')).waitFor();
    await button('file-store:deleted.undoName', { name: 'putty-0.81-x64.msi' }).click();
    await page.getByRole('link', { name: text('file-store:list.downloadName', { name: 'putty-0.81-x64.msi' }) }).waitFor();
  });

  it('tell on Status what needs somebody, and are not there on a backup or for people without the right', async () => {
    site.backups = NO_BACKUPS;
    site.vault = vaultWithoutKey();
    await open(PAGES.status);
    const notice = page.getByRole('status').filter({ hasText: text('backup:notice.title') });
    await notice.getByText(text('backup:standing.none')).waitFor();
    await notice.getByRole('link', { name: text('backup:notice.to.vault') }).click();
    await page.getByRole('heading', { name: text('vault:title'), exact: true }).waitFor();
    site.refusals.set('GET /backups', { status: 500, code: 'INTERNAL', message: 'It failed.' });
    await page.goto(`${url}${PAGES.software}`);
    await button('shared:retry').click();
    await page.getByText(text('backup:standing.none')).waitFor();
    site.header = { appliance: 'beta', role: 'backup', peer: null, primaryUrl: 'https://alpha.example.org', alarms: [] };
    await page.goto(`${url}${PAGES.software}`);
    await page.getByText(text('login:standby.text')).waitFor();
    assert.equal(await page.getByRole('link', { name: text('login:tab.vaultKey') }).count(), 0);
    site.header = undefined;
    site.role = 'user';
    await page.goto(`${url}${PAGES.files}`);
    await page.getByText(text('errors:NOT_FOUND')).waitFor();
    assert.equal(await page.getByRole('link', { name: text('login:tab.configuration') }).count(), 0);
  });
});
