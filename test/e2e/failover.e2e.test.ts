/** Two real appliances and a real Jump Client, by their pages alone: established, swapped both ways under a session, the primary killed, two histories fixed, broken and split. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { CHECKOUT } from '@bascule/testkit/launch-appliance.ts';
import { PairLine } from '@bascule/testkit/pair-line.ts';
import { PairScene, type PairSide } from '@bascule/testkit/pair-scene.ts';
import { SharedAddress } from '@bascule/testkit/shared-address.ts';
import { SITE_PASSWORD } from '@bascule/testkit/upgrade-scene.ts';
import { FailoverPage } from './failover-page.ts';
import { ConsolePage, LoginPage, text } from './pages.ts';

const NORTH = { self: 'north', peer: 'south' };
const SOUTH = { self: 'south', peer: 'north' };

let scene: PairScene;
let browser: TestBrowser;
/** Where people go: to whoever is primary, once the address was moved. */
let shared: SharedAddress;
/** The line between the two, each way. */
let toNorth: PairLine;
let toSouth: PairLine;
let north: FailoverPage;
let south: FailoverPage;
let terminal: ConsolePage;

before(async () => {
  assert.ok(existsSync(join(CHECKOUT, 'apps', 'web', 'dist', 'site')), 'the web interface is not built: npm test builds it');
  scene = await PairScene.start();
  browser = await TestBrowser.launch();
  shared = await SharedAddress.start('127.0.0.9');
  toNorth = await PairLine.start('127.0.0.11', scene.a.endpointOf());
  toSouth = await PairLine.start('127.0.0.12', scene.b.endpointOf());
  await scene.a.appliance.startJumpClient({ name: 'far' });
  await scene.a.site.onlineItem('far');
  [north, south] = await Promise.all([
    FailoverPage.open(browser.browser, scene.a.appliance.url, NORTH),
    FailoverPage.open(browser.browser, scene.b.appliance.url, SOUTH),
  ]);
  terminal = new ConsolePage(browser);
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await scene?.[Symbol.asyncDispose]();
  for (const way of [shared, toNorth, toSouth]) await way?.[Symbol.asyncDispose]();
});

/** What follows cannot be right when something before it went wrong. */
let hasFailed = false;
/** Adds what both appliances said when the test fails. */
const withLogs = (work: () => Promise<void>) => async () => {
  assert.ok(!hasFailed, 'an earlier step failed');
  await work().catch((error: unknown) => {
    hasFailed = true;
    for (const { appliance, name } of scene.sides) process.stderr.write(`=== ${name}\n${appliance.logTail()}\n`);
    throw error;
  });
};

let typed = 0;
/** Types a line into the session; what it says has been worked out by the shell there. */
async function typeAndRead(): Promise<void> {
  typed += 1;
  await terminal.type(`echo typed-$((${typed} + 4000))\n`);
  await terminal.untilShown(`typed-${typed + 4000}`);
}

/** The address that people use goes to `side`. */
const peopleGoTo = (side: PairSide): void => shared.moveTo(side.endpointOf());

describe('two appliances in a browser', { concurrency: false }, () => {
  it(
    'have the same pre-shared key, by Management > Security of both',
    withLogs(async () => {
      await north.toFailover();
      await north.headline('none');
      await north.picture('01-no-key');
      await Promise.all([north.toSecurity(), south.toSecurity()]);
      await north.button('failover:key.generate').click();
      const shownKey = north.page.getByRole('group', { name: text('failover:key.generated') });
      const key = (await shownKey.locator('code').innerText()).trim();
      await north.picture('02-key-generated');
      await south.page.getByLabel(text('failover:key.key'), { exact: true }).fill(key);
      const values: string[] = [];
      for (const { button, page } of [
        { button: north.button('shared:save'), page: north.page },
        { button: south.button('shared:save'), page: south.page },
      ]) {
        await button.click();
        values.push(await page.getByRole('definition').locator('code').innerText());
      }
      assert.equal(values[0], values[1], 'the check values can be compared');
      await south.picture('03-key-set');
    }),
  );

  it(
    'are looked at both ways before anything is changed, and then established',
    withLogs(async () => {
      await north.toFailover();
      const hosts = north.page.getByLabel(text('failover:establish.host'), { exact: true });
      const ports = north.page.getByLabel(text('failover:establish.port'), { exact: true });
      for (const [index, { address, port }] of [toSouth, toNorth].entries()) {
        await hosts.nth(index).fill(address);
        await ports.nth(index).fill(String(port));
      }
      await north.button('failover:establish.check').click();
      await north.page.getByText(text('failover:preview.fine')).waitFor();
      await north.picture('04-preview');
      await north.ask('establish');
      await north.picture('05-establish-asked');
      await north.dialog.getByRole('checkbox').check();
      await north.confirm('establish');
      await north.picture('06-establishing');
      await north.headline('primary');
      await north.picture('07-just-established');
      // Its accounts are those of the primary now: whoever was logged in logs in again.
      await south.page.goto(`${south.url}/login`);
      await south.logIn();
      await south.toFailover();
      await south.headline('backup');
    }),
  );

  it(
    'show that nothing would be lost, and that the backup follows',
    withLogs(async () => {
      for (const side of [north, south]) {
        await side.page.getByText(text('failover:copy.state.following')).waitFor();
        await side.page.getByText(text('failover:loss.gone.none')).waitFor();
        await side.figure('failover:copy.lagChanges').getByText('0', { exact: true }).waitFor();
        await side.picture('08-following');
      }
    }),
  );

  it(
    'swap roles both ways by their buttons, and the session of a console goes on',
    withLogs(async () => {
      peopleGoTo(scene.a);
      await terminal.page.goto(`${shared.url}/login`);
      await new LoginPage(terminal.page).logIn('admin', SITE_PASSWORD);
      await terminal.page.getByRole('link', { name: text('login:tab.reports') }).waitFor();
      await terminal.page.goto(`${shared.url}/console`);
      await terminal.jump('far');
      await terminal.phase('live').waitFor();
      await typeAndRead();

      await north.picture('09-with-session');
      await south.ask('becomePrimary');
      await south.picture('10-become-primary-asked');
      await south.confirm('becomePrimary');
      await south.headline('primary');
      peopleGoTo(scene.b);
      await north.headline('backup');
      await typeAndRead();
      await terminal.phase('live').waitFor();
      await north.picture('11-swapped');
      await south.picture('11-swapped');

      await south.ask('becomeBackup');
      await south.picture('12-become-backup-asked');
      await south.confirm('becomeBackup');
      await north.headline('primary');
      peopleGoTo(scene.a);
      await south.headline('backup');
      await typeAndRead();
      await south.picture('13-swapped-back');
    }),
  );

  it(
    'the primary is killed: the backup says what is known, and becomes primary when that is accepted',
    withLogs(async () => {
      await scene.a.appliance.die();
      for (const line of [toNorth, toSouth]) line.cut();
      await south.headline('primary-unreachable');
      await south.picture('14-primary-unreachable');
      await south.ask('becomePrimary');
      await south.picture('15-take-over-asked');
      await south.dialog.getByRole('checkbox').check();
      await south.confirm('becomePrimary');
      await south.headline('primary-alone');
      peopleGoTo(scene.b);
      await typeAndRead();
      await terminal.phase('live').waitFor();
      await south.picture('16-primary-alone');
    }),
  );

  it(
    'the old primary comes back alone and goes on; when the two see each other again, Fix keeps one and archives the other',
    withLogs(async () => {
      scene.a.appliance.startBoot();
      await scene.a.appliance.ready();
      await north.toFailover();
      await north.headline('primary-alone');
      await north.picture('17-came-back-alone');
      await north.page.goto(`${north.url}/login/jump/groups`);
      await north.button('login:group.create').click();
      await north.dialog.getByLabel(text('login:group.name'), { exact: true }).fill('Only known in the north');
      await north.dialog.getByRole('button', { name: text('login:group.create'), exact: true }).click();
      await north.dialog.waitFor({ state: 'detached' });
      for (const line of [toNorth, toSouth]) line.mend();
      await north.toFailover();
      await Promise.all([north.headline('both-primary'), south.headline('both-primary')]);
      await south.page.getByText('Only known in the north').waitFor();
      await north.picture('18-both-primary');
      await south.picture('18-both-primary');
      await south.ask('fix');
      await south.dialog.getByRole('radio', { name: 'south' }).check();
      await south.picture('19-fix-asked');
      await south.confirm('fix', text('failover:fix.accept', { keep: 'south', discard: 'north' }));
      await Promise.all([south.headline('primary'), north.headline('backup')]);
      await typeAndRead();
      await north.page.getByText(text('failover:copy.state.following')).waitFor();
      await north.picture('20-fixed');
      await south.picture('20-fixed');
    }),
  );

  it(
    'break apart, are established again with the addresses they had, and at last the read-only side is split off',
    withLogs(async () => {
      await south.ask('break');
      await south.picture('21-break-asked');
      await south.confirm('break');
      await south.headline('broken');
      await north.headline('read-only');
      await north.picture('22-read-only');
      await south.picture('22-broken');
      await typeAndRead();

      await south.button('failover:establish.check').click();
      await south.page.getByText(text('failover:preview.fine')).waitFor();
      await south.picture('22-again');
      await south.ask('establish');
      await south.dialog.getByRole('checkbox').check();
      await south.confirm('establish');
      await south.headline('primary');
      await north.headline('backup');
      await north.page.getByText(text('failover:copy.state.following')).waitFor();
      await typeAndRead();

      await north.ask('break');
      await north.confirm('break');
      await north.headline('read-only');
      await south.headline('broken');
      await north.ask('split');
      await north.picture('23-split-asked');
      await north.confirm('split', text('failover:split.understood'));
      await Promise.all([north.headline('split'), south.headline('split')]);
      await typeAndRead();
      await north.picture('24-split');
      await south.picture('24-split');
      assert.deepEqual([...north.complaints, ...south.complaints], []);
    }),
  );
});
