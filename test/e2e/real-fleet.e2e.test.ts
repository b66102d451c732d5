/** The pages of the fleet and of Jump Clients, a jump that waits, and the login of an installed console, in a real browser with a real appliance. */
import assert from 'node:assert/strict';
import { randomBytes, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { BrowserContext, Locator, Page } from 'playwright-core';
import { enrolledClient, FACTS, ScriptedLink } from '@bascule/client/testing.ts';
import { createdUser } from '@bascule/protocol/api/auth.ts';
import { fleetSettings } from '@bascule/protocol/api/fleet.ts';
import { createdInstallerToken, jumpGroups, jumpItems } from '@bascule/protocol/api/jump.ts';
import type { ClientSoftware } from '@bascule/protocol/client-program.ts';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { CHECKOUT, launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { TestConsole } from '../../apps/console/src/testing.ts';
import { LoginPage, text } from './pages.ts';

const PASSWORD = 'correct horse battery staple';
/** A folder in which pictures of the page are left, for whoever wants to look. */
const PICTURES = process.env['BASCULE_TEST_PICTURES'];
const PAGES = {
  upgrades: '/login/jump/upgrades',
  settings: '/login/jump/client-settings',
  installers: '/login/jump/installers',
  wizard: '/login/jump/installers/new',
  trust: '/login/jump/trust',
  status: '/login/status',
  downloads: '/login/account/downloads',
};

let appliance: LaunchedAppliance;
let api: ApiClient;
let browser: TestBrowser;
let page: Page;

before(async () => {
  assert.ok(existsSync(join(CHECKOUT, 'apps', 'web', 'dist', 'site')), 'the web interface is not built: npm test builds it');
  appliance = await launchAppliance();
  for (const name of ['workshop', 'cellar']) await appliance.startJumpClient({ name });
  api = await ApiClient.pin(appliance.url);
  await api.takeOver(appliance.passwords.login, PASSWORD);
  browser = await TestBrowser.launch();
  page = browser.page;
  await page.goto(`${appliance.url}/login`);
  await new LoginPage(page).logIn('admin', PASSWORD);
  await page.getByRole('link', { name: text('login:tab.reports') }).waitFor();
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await appliance?.[Symbol.asyncDispose]();
});

const button = (name: string, values?: Record<string, string>): Locator =>
  page.getByRole('button', { name: text(name, values), exact: true });
const heading = (name: string) => page.getByRole('heading', { name: text(name), exact: true });
const open = (path: string) => page.goto(`${appliance.url}${path}`);
/** Adds what the programs said when the test fails. */
const withLog = (work: () => Promise<void>) => () => work().catch((error: unknown) => appliance.fail(error));

/** A client that was enrolled for real and says of its software what the test wants. */
class OldClient {
  readonly #enrolled: Awaited<ReturnType<typeof enrolledClient>>;
  readonly id: string;
  link!: ScriptedLink;

  private constructor(enrolled: Awaited<ReturnType<typeof enrolledClient>>) {
    this.#enrolled = enrolled;
    this.id = enrolled.identity.client;
  }

  static async enrol(name: string): Promise<OldClient> {
    const { secret } = await api.call('POST', 'jump/tokens', createdInstallerToken, {
      name,
      validForHours: 1,
      uses: 1,
      groupId: null,
      approveEach: false,
    });
    return new OldClient(await enrolledClient(OldClient.#target(), secret, { hostName: name }));
  }

  static #target() {
    return { host: '127.0.0.1', port: appliance.port, proxy: undefined };
  }

  async connectAs(version: string): Promise<void> {
    this.link?.webSocket.terminate();
    await this.link?.closed;
    const software: ClientSoftware = {
      program: 'jump-client',
      version,
      revision: 'abc1234',
      platform: 'linux-x64',
      mode: 'active',
      bundle: '0'.repeat(64),
      runtime: null,
      upgradable: true,
      trial: false,
      dials: { host: 'localhost', port: 443, proxy: false },
      freeBytes: null,
      authority: '0'.repeat(64),
    };
    const instance = randomBytes(16).toString('hex');
    const facts = { ...FACTS, hostName: 'attic', version };
    this.link = await ScriptedLink.hello(OldClient.#target(), this.#enrolled, instance, { facts, software });
    await this.link.next('accepted');
  }
}

describe('a jump to a client that is older, when only current ones are allowed', { concurrency: false }, () => {
  it(
    'waits in the console with its place, and goes on by itself when the client is current',
    withLog(async () => {
      const settings = await api.call('GET', 'fleet/settings', fleetSettings);
      await api.call('PUT', 'fleet/settings', fleetSettings, { ...settings, jumpToOlder: 'current-only' });
      const { items } = await api.call('GET', 'jump/items', jumpItems);
      const attic = await OldClient.enrol('attic');
      await attic.connectAs('0.0.1');
      await open('/console');
      await button('console:jumpTo', { name: 'attic' }).click();
      const bar = page.getByRole('status', { name: text('console:waiting.label') });
      await bar.getByText(text('console:waiting.place', { name: 'attic', place: '1' })).waitFor();
      await bar.getByText(text('console:waiting.byItself')).waitFor();
      assert.ok(!attic.link.received.some(({ kind }) => kind === 'session-open'));
      await attic.connectAs(items[0]!.version);
      const { session } = await attic.link.next('session-open');
      attic.link.send({ kind: 'session-failed', session, reason: 'it only counts that it was asked' });
      await bar.waitFor({ state: 'detached' });
      await api.call('PUT', 'fleet/settings', fleetSettings, settings);
    }),
  );
});

describe('the page of Jump Clients', { concurrency: false }, () => {
  const dialog = () => page.getByRole('dialog');
  const bulk = () => page.getByRole('region', { name: text('login:jump.bulk.label') });
  const choose = (name: string) => page.getByLabel(text('login:jump.bulk.select', { name })).check();
  const byName = async () => new Map((await api.call('GET', 'jump/items', jumpItems)).items.map((item) => [item.name, item]));

  it(
    'finds by program, and changes all that are found at once, with their number in the question',
    withLog(async () => {
      const { groups } = await api.call('POST', 'jump/groups', jumpGroups, { name: 'Basement' });
      await open('/login/jump/clients');
      await page.getByRole('combobox', { name: text('login:jump.program'), exact: true }).click();
      await page.getByRole('option', { name: 'Jumpoint (0)' }).waitFor();
      await page.getByRole('option', { name: 'Jump Client (3)' }).click();
      await choose('workshop');
      await bulk()
        .getByText(text('login:jump.bulk.selected_one', { count: '1' }))
        .waitFor();
      await bulk()
        .getByRole('button', { name: text('login:jump.bulk.all', { found: '3' }) })
        .click();
      await bulk()
        .getByText(text('login:jump.bulk.selected_other', { count: '3' }))
        .waitFor();
      await bulk()
        .getByRole('button', { name: `${text('login:jump.bulk.tags')} …` })
        .click();
      await dialog().getByLabel(text('login:jump.bulk.addTags'), { exact: true }).and(page.locator('input')).fill('house');
      await page.keyboard.press('Enter');
      await dialog()
        .getByRole('button', { name: text('login:jump.bulk.change_other', { count: '3' }) })
        .click();
      await page
        .getByText(text('login:jump.bulk.done_other', { count: '3' }))
        .first()
        .waitFor();
      assert.deepEqual(
        [...(await byName()).values()].map(({ tags }) => tags),
        [['house'], ['house'], ['house']],
      );

      for (const name of ['workshop', 'cellar']) await choose(name);
      await bulk()
        .getByRole('button', { name: `${text('login:jump.bulk.group')} …` })
        .click();
      await dialog()
        .getByRole('combobox', { name: text('login:jump.group'), exact: true })
        .click();
      await page.getByRole('option', { name: 'Basement', exact: true }).click();
      await dialog()
        .getByRole('button', { name: text('login:jump.bulk.change_other', { count: '2' }) })
        .click();
      await page
        .getByText(text('login:jump.bulk.done_other', { count: '2' }))
        .first()
        .waitFor();
      const moved = [...(await byName()).values()].filter(({ groupId }) => groupId === groups[0]?.id).map(({ name }) => name);
      assert.deepEqual(moved.sort(), ['cellar', 'workshop']);
    }),
  );

  it(
    'revokes only after the question',
    withLog(async () => {
      await choose('attic');
      await bulk()
        .getByRole('button', { name: `${text('login:jump.bulk.more')} …` })
        .click();
      await page.getByRole('menuitem', { name: `${text('login:jump.revoke')} …` }).click();
      await dialog()
        .getByText(text('login:jump.bulk.revokeTitle_one', { count: '1' }))
        .waitFor();
      assert.equal((await byName()).get('attic')?.state, 'approved');
      await dialog()
        .getByRole('button', { name: text('login:jump.revoke'), exact: true })
        .click();
      await waitUntil('the client is revoked', async () => (await byName()).get('attic')?.state === 'revoked');
      assert.equal((await byName()).get('cellar')?.state, 'approved');
    }),
  );
});

describe('pages of a real fleet', { concurrency: false }, () => {
  it('answer without a fault', async () => {
    for (const path of Object.values(PAGES)) {
      await open(path);
      await page.locator('main h2').first().waitFor();
      await waitUntil('the page has its answers', async () => (await page.locator('.mantine-Skeleton-root').count()) === 0);
      const failures = await page.locator('main [role=alert]').allInnerTexts();
      if (failures.length > 0) appliance.fail(new Error(`${path}: ${failures.join()}`));
    }
  });

  it('show on Information who is online, and find them by name', async () => {
    await open(PAGES.status);
    const table = page.getByRole('table', { name: text('login:clients.title') });
    for (const name of ['workshop', 'cellar']) await table.getByText(name, { exact: true }).waitFor();
    await page.getByLabel(text('login:clients.search')).fill('cell');
    await table.getByText('workshop', { exact: true }).waitFor({ state: 'detached' });
    await table.getByText('cellar', { exact: true }).waitFor();
  });

  it('keep the settings, and list the clients with their state', async () => {
    await open(PAGES.settings);
    await page.getByLabel(text('fleet:settings.maxConcurrent'), { exact: true }).fill('7');
    await button('shared:save').click();
    await page.getByText(text('fleet:settings.saved')).waitFor();
    await page.reload();
    assert.match(await page.getByLabel(text('fleet:settings.maxConcurrent'), { exact: true }).inputValue(), /^7\b/);
    await open(PAGES.upgrades);
    const table = page.getByRole('table', { name: text('fleet:clients.title') });
    for (const name of ['workshop', 'cellar']) await table.getByText(name, { exact: true }).waitFor();
  });

  it('make an installer that is listed, and revoke it', async () => {
    await open(PAGES.wizard);
    for (let step = 0; step < 2; step += 1) await button('installers:wizard.next').click();
    await page.getByLabel(text('installers:name'), { exact: true }).fill('Branch offices');
    await button('installers:wizard.next').click();
    await button('installers:wizard.create').click();
    await button('installers:made.saved').click();
    await button('shared:actionsFor', { name: 'Branch offices' }).click();
    await page.getByRole('menuitem', { name: text('installers:revoke') }).click();
    await page
      .getByRole('dialog')
      .getByRole('button', { name: text('installers:revoke'), exact: true })
      .click();
    await page.getByText(text('installers:states.revoked')).waitFor();
  });

  it('rotate the site identity, with the former one kept', async () => {
    await open(PAGES.trust);
    const fingerprint = async () => page.locator('dd span[class*=fingerprint]').innerText();
    const first = await fingerprint();
    await page.getByRole('button', { name: text('trust:identity.rotate') }).click();
    await page
      .getByRole('dialog')
      .getByRole('button', { name: text('trust:rotate.confirm'), exact: true })
      .click();
    await waitUntil('another identity is shown', async () => (await fingerprint()) !== first);
    await heading('trust:identity.former').waitFor();
  });

  it('show others only Information and downloads', async () => {
    const { oneTimePassword } = await api.call('POST', 'users', createdUser, { name: 'anna', displayName: 'Anna', role: 'user' });
    const stranger = await browser.browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB' });
    try {
      const own = await stranger.newPage();
      await own.goto(`${appliance.url}/login`);
      const login = new LoginPage(own);
      await login.logIn('anna', oneTimePassword);
      await login.chooseNewPassword(PASSWORD);
      await own.getByText(text('login:clients.none.online')).waitFor();
      assert.ok(!(await own.content()).includes('workshop'), 'no client of a group that is not hers');
      for (const path of [PAGES.upgrades, PAGES.settings, PAGES.installers, PAGES.wizard, PAGES.trust]) {
        await own.goto(`${appliance.url}${path}`);
        await own.getByText(text('errors:NOT_FOUND')).waitFor();
      }
    } finally {
      await stranger.close();
    }
  });
});

describe('the login of an installed console', { concurrency: false }, () => {
  /** Somebody who is not logged in yet. */
  let visitor: BrowserContext;
  let own: Page;
  const complaints: string[] = [];
  before(async () => {
    visitor = await browser.browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB' });
    own = await visitor.newPage();
    own.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
    own.on('console', (message) => {
      if (message.type() === 'error') complaints.push(`console: ${message.text()}`);
    });
  });
  after(() => visitor?.close());

  async function picture(name: string): Promise<void> {
    if (PICTURES !== undefined) await own.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
  }

  /** Begins `bascule login`; gives the printed address and how it ends. */
  async function beginLogin(name: string) {
    const console = new TestConsole(join(appliance.directory, name));
    const { fingerprint256 } = new X509Certificate(String(api.agent.options.ca));
    let url: string | undefined;
    const ran = console.run(['login', appliance.url, '--fingerprint', fingerprint256], (err) => {
      url = /https:\S+code=\S+/.exec(err)?.[0];
    });
    const printed = await waitUntil('the console prints the address', () => url);
    return { console, ran, url: printed, code: new URL(printed).searchParams.get('code') ?? '' };
  }

  it('the page opens after the login, shows the code and the machine, and lets the console in', async () => {
    const { console, ran, url, code } = await beginLogin('desk');
    await own.goto(url);
    await new LoginPage(own).logIn('admin', PASSWORD);
    await own.getByText(code, { exact: true }).waitFor();
    await own.getByText(text('login:consoleLogin.sameAddress')).waitFor();
    await picture('console-login-asked');
    // By keyboard: from the last fact on, the first stop is the button that confirms.
    await own.getByRole('button', { name: text('login:consoleLogin.grant') }).focus();
    await own.keyboard.press('Enter');
    await own.getByRole('status').filter({ hasText: 'admin' }).waitFor();
    await picture('console-login-granted');
    const { code: exitCode, err } = await ran;
    assert.equal(exitCode, 0, err);
    assert.match((await console.run(['ls', '--json'])).out, /"name": "cellar"/);
    await own.goto(`${appliance.url}/login/account`);
    await own.getByText(/^bascule \S+ on /).waitFor();
  });

  it('a code can be typed, in any case; what is refused gets nothing; a used code is not known any more', async () => {
    const { ran, code } = await beginLogin('typed');
    await own.goto(`${appliance.url}/login/console-login`);
    await own.getByLabel(text('login:consoleLogin.code'), { exact: true }).fill(code.toLowerCase().replace('-', ''));
    await own.keyboard.press('Enter');
    await own.getByRole('button', { name: text('login:consoleLogin.refuse') }).click();
    assert.equal((await ran).code, 77);
    await own.goto(`${appliance.url}/login/console-login?code=${code}`);
    await own.getByText(text('login:consoleLogin.unknown')).waitFor();
    await picture('console-login-unknown');
    assert.deepEqual(
      complaints.filter((complaint) => !complaint.includes('404') && !complaint.includes('401')),
      [],
    );
  });
});
