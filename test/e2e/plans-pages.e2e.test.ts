/** The page Upgrade plans in a real browser, with an appliance whose plans are in the states that a real one passes in minutes. */
import assert from 'node:assert/strict';
import { after as afterAll, before, beforeEach, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { must } from '@bascule/core/must.ts';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { text } from './pages.ts';
import { after, recordAt, shownRecord, stateOfPlans } from './plans-fixture/plan-states.ts';
import { FixtureServer } from './updates-fixture/fixture-server.ts';

let fixture: FixtureServer;
let browser: TestBrowser;
let page: Page;
let url = '';
let state = stateOfPlans(undefined);

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
  fixture.answers.set('GET /plans', () => state);
  url = await fixture.listen();
});
afterAll(() => fixture?.[Symbol.asyncDispose]());

const button = (name: string, values?: Record<string, string>) =>
  page.getByRole('button', { name: text(name, values), exact: true });
const open = () => page.goto(`${url}/appliance/updates/plans`);
const orders = () => fixture.asked.filter(({ path }) => path.startsWith('/plans/'));
/** Answers every order, so that the page goes on. */
function takeOrders(): void {
  for (const verb of ['run', 'confirm', 'pause', 'cancel', 'give-up'])
    fixture.answers.set(`POST /plans/${must(state.current, 'a plan').id}/${verb}`, () => ({ ok: true }));
}

describe('upgrade plans', { concurrency: false }, () => {
  it('offers the kinds with what speaks for and against each, and says why one cannot be made', async () => {
    state = stateOfPlans(undefined, {
      unavailable: { single: { code: 'in-a-pair', text: '', params: { name: 'B' } } },
    });
    fixture.answers.set('POST /plans', () => stateOfPlans(shownRecord('rolling')).current);
    await open();
    await page.getByText(text('plans:for.rolling')).waitFor();
    await page.getByText(text('plans:unavailable.in-a-pair', { name: 'B' })).waitFor();
    assert.ok(await button('plans:choose.make', { kind: text('plans:kind.single') }).isDisabled());
    await button('plans:choose.make', { kind: text('plans:kind.rolling') }).click();
    await waitUntil('the plan was asked for', () => fixture.asked.some(({ path }) => path === '/plans'));
    assert.deepEqual(fixture.asked.find(({ path }) => path === '/plans')?.body, { kind: 'rolling' });
  });

  it('shows beforehand what each step does and how it is undone, two windows, and who connects by address; then runs through', async () => {
    state = stateOfPlans(shownRecord('asynchronous'));
    takeOrders();
    await open();
    await page.getByText(text('plans:window.title', { number: '2' })).waitFor();
    await page.getByText(text('plans:interval')).waitFor();
    await page.getByText(text('plans:noReturn')).waitFor();
    await page.getByText('integration-client/2.1').waitFor();
    await page.getByText(text('plans:does.pull-changes')).waitFor();
    await button('plans:action.run-through').click();
    await waitUntil('it was started', () => orders()[0]);
    assert.deepEqual(orders()[0]?.body, { through: true, overrule: [] });
  });

  it('names the licence agreements that nobody has accepted before it can be run, and has them accepted there', async () => {
    const target = 'site/bascule-site-0.2.0.tar.zst';
    const shown = must(stateOfPlans(shownRecord('asynchronous')).current, 'a plan');
    state = { ...stateOfPlans(undefined), current: { ...shown, agreements: [{ target, kind: 'site', version: '0.2.0' }] } };
    fixture.answers.set('GET /updates/eula', () => ({ target, sha256: 'a'.repeat(64), text: 'You may use it.' }));
    fixture.answers.set('POST /updates/eula', () => {
      state = { ...state, current: shown };
      return { ok: true };
    });
    await open();
    const name = `${text('appliance:packages.kinds.site')} 0.2.0`;
    await button('plans:agreements.read', { name }).waitFor();
    assert.ok(await button('plans:action.run-through').isDisabled());
    await button('plans:agreements.read', { name }).click();
    await page.getByText('You may use it.').waitFor();
    await page.getByLabel(text('updates:eula.name')).fill('Ada Lovelace');
    await button('updates:eula.accept').click();
    await waitUntil('it can be run', () => button('plans:action.run-through').isEnabled());
    const accepted = fixture.asked.find(({ path, method }) => path === '/updates/eula' && method === 'POST');
    assert.deepEqual(accepted?.body, { target, sha256: 'a'.repeat(64), name: 'Ada Lovelace' });
    assert.equal(await page.getByRole('dialog').count(), 0);
  });

  it('waits for a person where it has to be looked, and says what was found', async () => {
    const found = {
      kind: 'look' as const,
      isGreen: false,
      notes: [{ code: 'session-no-client', text: '', params: { name: 'A' } }],
    };
    state = stateOfPlans(after(recordAt('single', 3), { kind: 'done' }, found));
    takeOrders();
    await open();
    await page
      .getByRole('status')
      .filter({ hasText: text('plans:state.waits-for-person') })
      .waitFor();
    await page.getByText(text('plans:note.session-no-client')).waitFor();
    await button('plans:action.confirm').click();
    await waitUntil('it was confirmed', () => orders()[0]);
    assert.deepEqual(orders()[0]?.body, { number: 4 });
  });

  it('names amber lines, and goes on when they are overruled one by one', async () => {
    const note = {
      code: 'amber',
      text: '',
      params: { name: 'A', codes: 'clients-pending', reason: '3 clients are not upgraded.' },
    };
    state = stateOfPlans(after(recordAt('single', 1), { kind: 'done' }, { kind: 'refused', note }));
    takeOrders();
    await open();
    await page.getByLabel(text('plans:overrule', { code: 'clients-pending' })).check();
    await button('plans:action.continue').click();
    await waitUntil('it goes on', () => orders()[0]);
    assert.deepEqual(orders()[0]?.body, { through: true, overrule: ['clients-pending'] });
  });

  it('asks before it takes everything back', async () => {
    state = stateOfPlans(recordAt('rolling', 4));
    takeOrders();
    await open();
    await button('plans:action.cancel').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(text('plans:consequences.cancel')).waitFor();
    assert.equal(orders().length, 0);
    await dialog.getByRole('button', { name: text('plans:action.cancel'), exact: true }).click();
    await waitUntil('it is cancelled', () => orders()[0]);
  });

  it('shows the plan of the other appliance, without a button that would change it', async () => {
    state = stateOfPlans(recordAt('rolling', 4), { applianceName: 'B' });
    await open();
    await page.getByText(text('plans:elsewhere', { runner: 'A' })).waitFor();
    assert.equal(await button('plans:action.pause').count(), 0);
  });

  it('complains about nothing', () => assert.deepEqual(browser.complaints, []));
});
