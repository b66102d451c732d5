/** The pages of a failover pair in a real browser, in every state; with two real appliances: failover.e2e.test.ts. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { CHECKOUT } from '@bascule/testkit/launch-appliance.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { backupState, previewOf, PRIMARY_URL, primaryState, SHARED_NAME, states, testOf } from './failover-fixture/answers.ts';
import { FailoverServer, GENERATED_KEY, TOKEN_SECRET } from './failover-fixture/failover-server.ts';
import { pageFaults } from './page-faults.ts';
import { text } from './pages.ts';

const FAILOVER = '/login/management/failover';
const NAMES = { self: 'alpha', peer: 'bravo' };
/** A text that was asked for by its key and is not there, or whose value is missing. */
const RAW = /\b(failover|login|shared):[a-z]|\{\{/;
const LANGUAGES = ['en', 'de', 'nl', 'it'];
/** The others are met below. */
const LOOKED_AT = [
  'broken',
  'establishing',
  'first-copy',
  'primary-unreachable',
  'read-only',
  'restored',
  'superseded',
  'both-backup',
  'rehearsal',
  'automatic',
];
function stateOf(name: string): FailoverState {
  const state = states()[name];
  if (state === undefined) throw new Error(`no state ${name}`);
  return state;
}

let browser: TestBrowser;
let page: Page;

before(async () => {
  assert.ok(existsSync(join(CHECKOUT, 'apps', 'web', 'dist', 'site')), 'the web interface is not built: npm test builds it');
  browser = await TestBrowser.launch();
  page = browser.page;
});
after(() => browser?.[Symbol.asyncDispose]());

const button = (name: string): Locator => page.getByRole('button', { name: text(name), exact: true });
const dialog = () => page.getByRole('dialog');
const inDialog = (name: string) => dialog().getByRole('button', { name: text(name), exact: true });

describe('pages of a failover pair', { concurrency: false }, () => {
  let pair: FailoverServer;
  let url = '';
  beforeEach(async () => {
    // A page that is left open would ask an appliance that is gone, and complain.
    await page.goto('about:blank');
    await pair?.[Symbol.asyncDispose]();
    pair = new FailoverServer();
    url = await pair.listen();
  });
  after(() => pair?.[Symbol.asyncDispose]());
  const open = async (path = FAILOVER) => {
    await page.goto(`${url}${path}`);
    await page.locator('main h2').first().waitFor();
  };
  const bodiesOf = (path: string) => pair.asked.filter((one) => one.path === path).map(({ body }) => body);
  const untilAsked = (path: string) => waitUntil(`${path} is asked for`, () => bodiesOf(path).length > 0);

  it('have a page for every state, in order for everybody, in four languages, in both themes, and in a narrow window', async () => {
    let turn = 0;
    for (const name of LOOKED_AT) {
      pair.state = stateOf(name);
      pair.language = LANGUAGES[turn % LANGUAGES.length] ?? 'en';
      await page.emulateMedia({ colorScheme: turn % 2 === 0 ? 'light' : 'dark' });
      await page.setViewportSize(turn % 3 === 2 ? { width: 420, height: 800 } : { width: 1280, height: 800 });
      turn += 1;
      await open();
      assert.deepEqual(await pageFaults(page), [], `${name} (${pair.language})`);
      assert.doesNotMatch(await page.locator('body').innerText(), RAW, `${name} (${pair.language})`);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  it('names in the header the appliance whose role stands beside it, also while another one begins to answer', async () => {
    const { self, peer, ...rest } = primaryState();
    pair.state = { ...rest, self: { ...self, appliance: 'bravo' }, peer: { ...(peer ?? self), appliance: 'alpha' } };
    await open();
    await page.getByText(text('shared:pair.peer.reachable', { name: 'alpha' })).waitFor();
    assert.match(await page.locator('header').first().innerText(), /bravo/);
  });

  it('a test of the standby is offered to whoever is chosen, and each page of it says what it is and leads out', async () => {
    pair.state = primaryState();
    let turn = 0;
    for (const language of LANGUAGES) {
      pair.language = language;
      await page.emulateMedia({ colorScheme: turn % 2 === 0 ? 'light' : 'dark' });
      await page.setViewportSize(turn % 2 === 0 ? { width: 1280, height: 800 } : { width: 420, height: 800 });
      turn += 1;
      for (const place of ['offered', 'inside'] as const) {
        pair.test = testOf(place);
        await page.goto(`${url}/login/account`);
        await page.locator('main').waitFor();
        if (place === 'inside') await page.locator('a[href="/login/leave-test"]').waitFor();
        assert.deepEqual(await pageFaults(page), [], `${place} (${language})`);
        assert.doesNotMatch(await page.locator('body').innerText(), RAW, `${place} (${language})`);
      }
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    pair.language = 'en';
    pair.test = testOf('offered');
    await page.goto(`${url}/login/account`);
    await button('shared:test.enter').click();
    const bar = page.getByText(text('shared:test.inside', { standby: 'bravo' }), { exact: true });
    await bar.waitFor();
    assert.deepEqual(bodiesOf('/failover/rehearsal/enter'), [{}]);
    await page.getByRole('link', { name: text('shared:test.leave') }).waitFor();
    // When it ends, whatever came from it goes.
    const reloaded = page.waitForEvent('load');
    pair.test = undefined;
    await reloaded;
    await page.locator('main').waitFor();
    assert.equal(await bar.count(), 0);
  });

  it('nothing moves while the lag changes, and the headline is spoken when the state does', async () => {
    pair.state = primaryState();
    await open();
    const place = async () =>
      JSON.stringify(await page.locator('main section').evaluateAll((all) => all.map((one) => one.getBoundingClientRect().y)));
    const before = await place();
    const { copy, exposure } = pair.state;
    assert.ok(copy !== null && exposure !== null);
    pair.state = primaryState({
      copy: { ...copy, lagChanges: 81_004, lagSeconds: 214.7, bytesPerSecond: 1 },
      exposure: { ...exposure, changes: 81_004, sessions: 1 },
    });
    await button('failover:action.refresh').click();
    await page.getByText('214.7 s').waitFor();
    assert.equal(await place(), before);
    pair.state = stateOf('primary-alone');
    await button('failover:action.refresh').click();
    await page
      .getByRole('status')
      .filter({ hasText: text('failover:headline.primary-alone', NAMES) })
      .waitFor();
  });

  it('establish only after a look at everything, and what is there now is accepted by name', async () => {
    pair.state = stateOf('none');
    pair.preview = previewOf(['reverse-connection']);
    await open();
    await page.getByText(text('failover:headline.none')).waitFor();
    const hosts = page.getByLabel(text('failover:establish.host'));
    await hosts.first().fill(SHARED_NAME.toUpperCase());
    await page.getByText(text('failover:establish.fault.shared')).waitFor();
    await button('failover:establish.check').click();
    assert.deepEqual(bodiesOf('/failover/preview'), [], 'the shared name is not even asked about');
    await hosts.first().fill('192.0.2.12');
    await hosts.nth(1).fill('192.0.2.11');
    await page.getByLabel(text('failover:establish.withCertificate', { shared: SHARED_NAME })).uncheck();
    await page
      .getByRole('alert')
      .filter({ hasText: text('failover:establish.noCertificate', { shared: SHARED_NAME }) })
      .waitFor();
    await button('failover:establish.check').click();
    await page.getByText(text('failover:check.reverse-connection.red', { host: '192.0.2.11', port: '443' })).waitFor();
    await page.getByText('a-check-of-later is green').waitFor();
    assert.ok(await button('failover:action.establish').isDisabled(), 'something is red');
    pair.preview = previewOf();
    await button('failover:establish.check').click();
    await page.getByText(text('failover:preview.fine')).waitFor();
    await hosts.first().fill('192.0.2.13');
    assert.ok(await button('failover:action.establish').isDisabled(), 'the look is at another address');
    await hosts.first().fill('192.0.2.12');
    await button('failover:action.establish').click();
    assert.ok(await inDialog('failover:action.establish').isDisabled());
    await dialog().getByText('ann on web-0001').waitFor();
    await dialog().getByRole('checkbox').check();
    await inDialog('failover:action.establish').click();
    await untilAsked('/failover/establish');
    const [sent] = bodiesOf('/failover/establish') as { backup: unknown; withCertificate: boolean }[];
    const ownPort = Number(new URL(url).port);
    assert.deepEqual([sent?.backup, sent?.withCertificate], [{ host: '192.0.2.12', port: ownPort }, false], 'the same port');
  });

  it('a backup has what a backup has; the rest leads to the primary, and so does a refused change', async () => {
    pair.state = backupState();
    await page.goto(`${url}/login/reports/audit`);
    const there = page.getByRole('link', { name: text('login:standby.open') });
    assert.equal(await there.getAttribute('href'), `${PRIMARY_URL}/login/reports/audit`);
    const tabs = page.getByRole('navigation', { name: text('login:tab.main') }).getByRole('link');
    assert.deepEqual(await tabs.allInnerTexts(), [text('login:tab.account'), text('login:tab.management')]);
    await page.goto(`${url}/login`);
    await page.getByText(text('failover:headline.backup', NAMES)).waitFor();
    const header = page.getByRole('banner');
    for (const said of ['shared:pair.role.backup', 'shared:pair.peer.reachable'])
      await header.getByText(text(said, { name: 'bravo' })).waitFor();
    pair.refusals.set('PUT /failover/settings', {
      status: 409,
      code: 'FAILOVER_READ_ONLY',
      message: 'no',
      params: { primaryUrl: PRIMARY_URL },
    });
    assert.ok(await page.getByLabel(text('failover:settings.limited')).isDisabled(), 'it is set on the primary');
    await page.getByLabel(text('failover:settings.backupOperations')).check();
    await button('shared:save').click();
    const link = page.getByRole('alert').getByRole('link', { name: text('shared:pair.openPrimary') });
    assert.equal(await link.getAttribute('href'), `${PRIMARY_URL}${FAILOVER}`);
    pair.state = backupState({ settings: { ...pair.state.settings, backupOperations: true } });
    await page.reload();
    await tabs.filter({ hasText: text('login:tab.reports') }).waitFor();
  });

  it('Become Primary while the primary cannot be reached: what is lost is written out, accepted as shown, and asked again when it changes', async () => {
    const lost = stateOf('primary-unreachable');
    pair.state = lost;
    await open();
    await page.getByText(text('failover:recommend.become-primary', NAMES)).waitFor();
    await button('failover:action.becomePrimary').click();
    const loss = { changes: '12', seconds: '53.2', sessions: '1', recordings: '5.00 MiB', files: '0 B', peer: 'bravo' };
    await dialog().getByText(text('failover:becomePrimary.loss', loss)).waitFor();
    for (const word of ['what', 'whom', 'time', 'undo'])
      await dialog()
        .getByText(text(`failover:consequence.${word}`), { exact: true })
        .waitFor();
    const accept = dialog().getByLabel(text('failover:becomePrimary.accept'));
    await accept.check();
    assert.ok(await inDialog('failover:action.becomePrimary').isEnabled());
    assert.ok(lost.exposure !== null);
    pair.state = { ...lost, exposure: { ...lost.exposure, changes: 15 } };
    await waitUntil('the acceptance is of other numbers', async () => !(await accept.isChecked()));
    assert.ok(await inDialog('failover:action.becomePrimary').isDisabled());
    await accept.check();
    await inDialog('failover:action.becomePrimary').click();
    await untilAsked('/failover/become-primary');
    assert.deepEqual(bodiesOf('/failover/become-primary'), [{ pullFirst: false, acceptedLoss: { changes: 15, seconds: 53.2 } }]);
  });

  it('Become Primary with a pull, Become Backup, Break and Sync Now', async () => {
    pair.state = backupState();
    await open();
    await button('failover:action.sync').click();
    await untilAsked('/failover/sync');
    await button('failover:action.becomePrimary').click();
    await inDialog('failover:action.becomePrimary').click();
    await untilAsked('/failover/become-primary');
    assert.deepEqual(bodiesOf('/failover/become-primary'), [{ pullFirst: true }]);
    pair.state = stateOf('primary-alone');
    await button('failover:action.refresh').click();
    await button('failover:action.becomeBackup').click();
    assert.ok(await inDialog('failover:action.becomeBackup').isDisabled(), 'the peer cannot be contacted');
    await dialog().getByLabel(text('failover:becomeBackup.evenIfUnreachable')).check();
    await inDialog('failover:action.becomeBackup').click();
    await untilAsked('/failover/become-backup');
    assert.deepEqual(bodiesOf('/failover/become-backup'), [{ evenIfUnreachable: true }]);
    await button('failover:action.break').click();
    await inDialog('failover:action.break').click();
    await untilAsked('/failover/break');
  });

  it('two histories stand side by side, and Fix says whose is archived before it works', async () => {
    pair.state = stateOf('both-primary');
    await open();
    await page.getByText('Changed Jump Group Web servers 6').waitFor();
    await button('failover:action.fix').click();
    assert.ok(await inDialog('failover:action.fix').isDisabled());
    await dialog().getByRole('radio', { name: 'bravo' }).check();
    const names = { keep: 'bravo', discard: 'alpha' };
    await dialog().getByText(text('failover:fix.discarded', names), { exact: true }).waitFor();
    await dialog().getByLabel(text('failover:fix.accept', names)).check();
    assert.deepEqual(await pageFaults(page), []);
    await inDialog('failover:action.fix').click();
    await untilAsked('/failover/fix');
    assert.deepEqual(bodiesOf('/failover/fix'), [{ keep: 'bravo' }]);
  });

  it('a rehearsal is for chosen people and clients; a witness is appointed by its code', async () => {
    pair.state = primaryState();
    await open();
    await button('failover:rehearsal.begin').click();
    for (const [label, name] of [
      ['failover:rehearsal.users', 'bob'],
      ['failover:rehearsal.clients', 'web-0001'],
    ] as const) {
      await dialog()
        .getByRole('combobox', { name: text(label) })
        .click();
      await page.getByRole('option', { name, exact: true }).click();
      await page.keyboard.press('Tab');
    }
    await inDialog('failover:rehearsal.begin').click();
    await untilAsked('/failover/rehearsal');
    const [chosen] = bodiesOf('/failover/rehearsal') as { users: string[]; clients: string[] }[];
    assert.match(JSON.stringify(chosen), /^\{"users":\["usr_[^,]*1"\],"clients":\["jc_[^,]*0"\]\}$/);
    await button('failover:witness.appoint').click();
    const code = `bw1.${'a'.repeat(64)}.${'b'.repeat(43)}`;
    await dialog().getByLabel(text('failover:establish.host')).fill('witness.example.org');
    await dialog().getByLabel(text('failover:witness.code')).fill(` ${code} `);
    await inDialog('failover:witness.appoint').click();
    await untilAsked('/failover/witness');
    assert.deepEqual(bodiesOf('/failover/witness'), [{ endpoint: { host: 'witness.example.org', port: 7443 }, code }]);
  });

  it('the pre-shared key is generated, shown to be copied, and after saving only its check value is there', async () => {
    await open('/login/management/security');
    await page.getByText(text('failover:key.notSet')).waitFor();
    await button('failover:key.generate').click();
    await page
      .getByRole('group', { name: text('failover:key.generated') })
      .getByText(GENERATED_KEY)
      .waitFor();
    assert.deepEqual(await pageFaults(page), []);
    await button('shared:save').click();
    await page.getByText('7c41f09b').waitFor();
    assert.deepEqual(bodiesOf('/security/pre-shared-key'), [{ key: GENERATED_KEY }]);
    assert.ok(!(await page.content()).includes(GENERATED_KEY));
  });

  it('API tokens are made, shown once, listed and revoked', async () => {
    await open('/login/account');
    await button('login:apiTokens.create').click();
    await dialog().getByLabel(text('login:apiTokens.name')).fill('balancer');
    await dialog().getByLabel(text('login:apiTokens.scope.failover-change'), { exact: true }).check();
    await inDialog('login:apiTokens.create').click();
    await dialog().getByText(TOKEN_SECRET).waitFor();
    await button('login:apiTokens.saved').click();
    await page
      .getByRole('table', { name: text('login:apiTokens.title') })
      .getByText('balancer')
      .waitFor();
    assert.ok(!(await page.content()).includes(TOKEN_SECRET));
    assert.deepEqual(bodiesOf('/account/api-tokens'), [
      { name: 'balancer', scopes: ['failover:read', 'failover:change'], days: 90 },
    ]);
    assert.deepEqual(await pageFaults(page), []);
    await page.getByRole('button', { name: `${text('login:apiTokens.revoke')} balancer` }).click();
    await inDialog('login:apiTokens.revoke').click();
    await waitUntil('it is revoked', () =>
      pair.asked.some(({ method, path }) => method === 'DELETE' && path.startsWith('/account/api-tokens/apt_')),
    );
  });
});
