/** Networking, Security and Users of /appliance in a real browser, with an appliance in the states that a test wants. */
import assert from 'node:assert/strict';
import { after as afterAll, before, beforeEach, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { hostOf, pendingOf, routesOf, securityOf } from './network-fixture/network-states.ts';
import { text } from './pages.ts';
import { FixtureServer, me } from './updates-fixture/fixture-server.ts';

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
  fixture.answers.set('GET /network/routes', () => routesOf());
  fixture.answers.set('GET /network/host', () => hostOf());
  fixture.answers.set('GET /security', () => securityOf());
  fixture.answers.set('GET /users', () => ({ users: [] }));
  url = await fixture.listen();
});
afterAll(() => fixture?.[Symbol.asyncDispose]());

const open = (path: string) => page.goto(`${url}/appliance${path}`);
const button = (key: string) => page.getByRole('button', { name: text(key), exact: true });
const asked = (path: string) => fixture.asked.filter((one) => one.path === path).map(({ body }) => body);
const MIGHT_CUT = { status: 409, code: 'CHANGE_MIGHT_CUT', message: '', params: { seconds: 60 } };

describe('a change that waits', { concurrency: false }, () => {
  it('is on every page, and kept by a connection from after it, however many the browser has from before', async () => {
    fixture.answers.set('GET /changes/pending', () => ({ pending: pendingOf() }));
    await open('/networking/host');
    await page.getByText(text('network:pending.title', { what: text('network:kind.routes'), about: '203.0.113.0/24' })).waitFor();
    await page.getByText(/undone in 4\d s/).waitFor();
    let tries = 0;
    fixture.answers.set('POST /changes/confirm', () => {
      tries += 1;
      if (tries < 2) fixture.refusals.set('POST /changes/confirm', { status: 409, code: 'CHANGE_CONFIRM_ANEW', message: '' });
      else fixture.answers.set('GET /changes/pending', () => ({ pending: null }));
      return { pending: null };
    });
    fixture.refusals.set('POST /changes/confirm', { status: 409, code: 'CHANGE_CONFIRM_ANEW', message: '' });
    await button('network:pending.keep').click();
    await page.getByText(text('network:pending.kept')).waitFor();
    assert.equal(asked('/changes/confirm').length, 2);
  });

  it('is undone at once on demand', async () => {
    fixture.answers.set('GET /changes/pending', () => ({ pending: pendingOf({ kinds: ['networks', 'tls'] }) }));
    fixture.answers.set('POST /changes/undo', () => {
      fixture.answers.set('GET /changes/pending', () => ({ pending: null }));
      return { pending: null };
    });
    await open('/users');
    await button('network:pending.undoNow').click();
    await page.getByText(text('network:pending.undone')).waitFor();
    await button('network:pending.undoNow').waitFor({ state: 'detached' });
  });
});

describe('static routes', { concurrency: false }, () => {
  it('say what the kernel did with them, and whose are the others', async () => {
    await open('/networking/routes');
    await page.getByText(text('network:routes.state.refused')).waitFor();
    await page.getByText(/and not from this program/).waitFor();
    await page.getByText('dhcp').waitFor();
  });

  it('that might cut somebody off are sent again when they say that they know', async () => {
    fixture.refusals.set('POST /network/routes', MIGHT_CUT);
    await open('/networking/routes');
    await button('network:routes.add').click();
    await page.getByLabel(text('network:routes.destination')).fill('203.0.113.0/24');
    await page.getByLabel(text('network:routes.gateway')).fill('192.0.2.2');
    await button('shared:save').click();
    await page.getByLabel(text('network:cut.CHANGE_MIGHT_CUT.accept')).check();
    await button('shared:save').click();
    await page.getByText(text('network:routes.saved')).waitFor();
    const route = { enabled: true, destination: '203.0.113.0/24', gateway: '192.0.2.2', device: null, metric: 100 };
    assert.deepEqual(asked('/network/routes'), [route, { ...route, acceptCut: true }]);
  });

  it('say why the machine cannot be changed', async () => {
    fixture.answers.set('GET /network/routes', () => routesOf({ canApply: false, cannotApply: 'not-permitted', kernel: [] }));
    await open('/networking/routes');
    await page.getByText(text('network:routes.cannot.not-permitted')).waitFor();
  });
});

describe('host name and name servers', { concurrency: false }, () => {
  it('are shown, and who looks after them when not we', async () => {
    fixture.answers.set('GET /network/host', () =>
      hostOf({ cannotName: 'not-root', cannotResolve: 'managed', resolverManager: 'systemd-resolved' }),
    );
    await open('/networking/host');
    await page.getByText(text('network:host.cannotResolve.managed', { manager: 'systemd-resolved' })).waitFor();
    await page.getByText(text('network:host.cannotName.not-root')).waitFor();
    assert.equal(await page.getByRole('textbox').count(), 0);
  });
});

describe('security', { concurrency: false }, () => {
  it('asks twice before somebody locks themselves out, and says from where they are', async () => {
    const params = { address: '192.0.2.7', seconds: 60 };
    fixture.refusals.set('PUT /security/networks', { status: 409, code: 'NETWORKS_LOCK_YOU_OUT', message: '', params });
    await open('/users');
    const networks = page.getByLabel(text('security:networks.list'));
    await networks.fill('203.0.113.0/24\n2001:db8::/32');
    const save = page.locator('form', { has: networks }).getByRole('button', { name: text('shared:save') });
    await save.click();
    await page.getByText(text('network:cut.NETWORKS_LOCK_YOU_OUT.title', { address: '192.0.2.7' })).waitFor();
    await page.getByLabel(text('network:cut.NETWORKS_LOCK_YOU_OUT.accept')).check();
    await save.click();
    await waitUntil('it was sent twice', () => asked('/security/networks').length === 2);
    assert.deepEqual(asked('/security/networks')[1], { networks: ['203.0.113.0/24', '2001:db8::/32'], acceptCut: true });
  });

  it('keeps at least one cipher, and sends only what is chosen', async () => {
    await open('/security/tls');
    await page.getByLabel('ECDHE-RSA-AES128-GCM-SHA256').uncheck();
    await button('shared:save').click();
    await page.getByText(text('security:tls.saved')).waitFor();
    const [sent] = asked('/security/tls') as { ciphers12: string[] }[];
    assert.equal(sent?.ciphers12.includes('ECDHE-RSA-AES128-GCM-SHA256'), false);
    assert.equal(sent?.ciphers12.length, 5);
  });

  it('shows the banner as text before the login, and has a required second factor set up', async () => {
    fixture.answers.set('GET /login-banner', () => ({ text: 'Property of <b>Example</b> Ltd.\nUse is recorded.' }));
    fixture.refusals.set('GET /auth/me', { status: 401, code: 'NOT_LOGGED_IN', message: '' });
    await open('/');
    await page.getByText('Property of <b>Example</b> Ltd.').waitFor();
    fixture.answers.set('GET /auth/me', () => ({ ...(me('en') as object), state: 'set-up-factor' }));
    fixture.answers.set('GET /auth/passkeys', () => ({ passkeys: [] }));
    await open('/users');
    await page.getByText(text('login:setUpFactor')).waitFor();
    await button('login:totp.setUp').waitFor();
  });
});
