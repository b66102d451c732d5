/**
 * How packages get here and are installed beside the plain way of upgrade.proc.test.ts: in a carried file, by the command line, from a plain mirror, unattended,
 * after a trial; and licences, mail, and a site that cannot start. One appliance goes through it all.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { must } from '@bascule/core/must.ts';
import { startSmtpServer, type TestSmtpServer } from '@bascule/mail/testing.ts';
import { openApplianceKey, publicKeyText } from '@bascule/package-format/appliance-key.ts';
import { createDownloadKey } from '@bascule/package-format/download-key.ts';
import { history, mailState, preflightAnswer, type UpdateSettings, type UpdatesState } from '@bascule/protocol/api/updates.ts';
import { CommandLine, run, type Ran } from '@bascule/testkit/command-line.ts';
import { PiecemealShop, PlainMirror } from '@bascule/testkit/piecemeal-shop.ts';
import { runTool } from '@bascule/testkit/test-releases.ts';
import { BOX_PASSWORD, LaunchedUpdateServer, SITE_PASSWORD, UpgradeScene } from '@bascule/testkit/upgrade-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const MIGRATION = 'CREATE TABLE release_note (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL) STRICT;';
/** Works on a new database, and not on one with users. */
const BAD_MIGRATION = `CREATE TABLE nobody (id TEXT PRIMARY KEY NOT NULL CHECK (id = '')) STRICT; INSERT INTO nobody SELECT id FROM accounts;`;
const withBadMigration = (text: string): string =>
  text.replace(/\];\s*$/, `  { version: 99, name: 'bad-release', up: ${JSON.stringify(BAD_MIGRATION)} },\n];\n`);
/** On a machine that does much else, too. */
const INSTALLATION_LIMIT_MS = 240_000;
const DAY_MS = 24 * 60 * 60_000;
const site = (version: string): string => `site/bascule-site-${version}.tar.zst`;
const BASE = 'base/bascule-base-0.2.0.tar.zst';
const licence = (version: string): string => `licence/muster-ag-${version}.tar.zst`;

type History = z.infer<typeof history>['installations'];

describe('other ways to an update', { concurrency: false }, () => {
  let shop: PiecemealShop;
  let server: LaunchedUpdateServer;
  let scene: UpgradeScene;
  let mirror: PlainMirror;
  let shell: CommandLine;
  let mails: TestSmtpServer;
  /** The file that the update server gave for the appliance's first download key. */
  let carried: string;

  before(async () => {
    shop = await PiecemealShop.open();
    mirror = new PlainMirror(shop);
    await shop.build('base', { version: '0.2.0' });
    const needsBase = ['--requires-base', '>=0.2.0'];
    [scene, mails] = await Promise.all([
      UpgradeScene.start({ clients: 0 }),
      startSmtpServer(),
      shop.build('site', { version: '0.2.0', migration: MIGRATION, options: needsBase }),
      shop.build('site', { version: '0.3.0', migration: MIGRATION, options: [...needsBase, '--installs-over', '>=0.2.0'] }),
      shop.build('site', {
        version: '0.4.0',
        migration: MIGRATION,
        edits: { 'apps/site/src/settings/settings-migrations.ts': withBadMigration },
        options: [...needsBase, '--installs-over', '>=0.3.0', '--emergency'],
      }),
    ]);
    await shop.publish(BASE, site('0.2.0'), site('0.3.0'));
    server = await LaunchedUpdateServer.start(shop);
    shell = new CommandLine(scene.appliance.home);
    carried = join(scene.appliance.directory, 'carried.bascule-update');
  });
  after(async () => {
    await scene?.[Symbol.asyncDispose]();
    await mirror?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await mails?.stop();
    shop?.[Symbol.dispose]();
  });

  /** A part of the test; what the programs said is shown when it fails. */
  function part(name: string, work: () => Promise<void>): void {
    it(name, () => work().catch((error: unknown) => scene.appliance.fail(error)));
  }

  async function redeem(key: string, to: string): Promise<Ran> {
    writeFileSync(`${to}.key`, key);
    const answer = await run('curl', ['-sS', '--fail-with-body', '-F', `key=@${to}.key`, `${server.url}/redeem`, '-o', to]);
    chmodSync(to, 0o644);
    return answer;
  }

  /** A file that base's user can read. */
  function place(name: string, content: Uint8Array): string {
    const file = join(scene.appliance.directory, name);
    writeFileSync(file, content, { mode: 0o644 });
    return file;
  }

  const offerOf = (state: UpdatesState, target: string): UpdatesState['offers'][number] =>
    must(
      state.offers.find((offer) => offer.target === target),
      target,
    );

  const words = (state: UpdatesState): string[] => state.path.map(({ action, kind, version }) => `${action} ${kind} ${version}`);

  async function settings(change: Partial<UpdateSettings>): Promise<void> {
    await scene.box.call('PUT', 'updates/settings', z.unknown(), { ...(await scene.state()).settings, ...change });
  }

  /** Everything that an import could change. */
  async function imprint(): Promise<unknown> {
    const { offers, path, trust, lastCheck, installed } = await scene.state();
    const files = ['packages', 'uploads', 'metadata'].map((name) => {
      const directory = join(scene.appliance.paths.updates, name);
      return existsSync(directory) ? readdirSync(directory, { recursive: true }) : [];
    });
    return { offers, path, trust, lastCheck, installed, files };
  }

  const migrations = (): number[] => {
    const database = new DatabaseSync(scene.appliance.paths.site.database, { readOnly: true });
    try {
      return database
        .prepare('SELECT version FROM applied_migration ORDER BY version')
        .all()
        .map(({ version }) => Number(version));
    } finally {
      database.close();
    }
  };

  /** What has ended, as the history tells it. */
  async function ended(id: string): Promise<History[number]> {
    const read = async (): Promise<History[number] | undefined> => {
      const { installations } = await scene.box.call('GET', 'updates/history', history);
      return installations.find((one) => one.id === id && one.endedAtMs !== null);
    };
    return waitUntil(`${id} has ended`, read, INSTALLATION_LIMIT_MS);
  }

  async function install(target: string): Promise<History[number]> {
    return ended(await scene.begin(target));
  }

  /** After a check: the clients' state is asked for first, so that it begins a moment later. */
  async function unattendedInstallation(): Promise<History[number]> {
    await scene.check();
    const running = await waitUntil('an unattended installation runs', async () => (await scene.state()).running);
    assert.equal(running.startedBy, 'unattended installation');
    return ended(running.id);
  }

  /** Twice: what the first check led to has begun by the end of the second. */
  async function nothingUnattended(): Promise<void> {
    await scene.check();
    assert.equal((await scene.check()).running, null);
  }

  /** Removes a package that is here already. */
  function forget(target: string): void {
    const directory = join(scene.appliance.paths.updates, 'packages');
    for (const name of readdirSync(directory)) if (name.endsWith(basename(target))) rmSync(join(directory, name));
  }

  const programFile = (): string => {
    const { siteSoftware } = scene.appliance.paths;
    return join(siteSoftware, readlinkSync(join(siteSoftware, 'current')), 'apps', 'site', 'src', 'main.ts');
  };

  /** The site in use cannot start any more. */
  async function breakSite(): Promise<void> {
    const file = programFile();
    const mode = 0o644;
    const pid = await scene.appliance.pid('site');
    writeFileSync(file, `throw new Error('broken on purpose');\n${readFileSync(file, 'utf8')}`, { mode });
    process.kill(pid, 'SIGKILL');
    await waitUntil('the site is broken', async () =>
      (await scene.appliance.processes()).some(
        ({ name, state, restarts }) => name === 'site' && state !== 'ready' && restarts > 0,
      ),
    );
  }

  describe('in a carried file, by the command line, without a server', () => {
    part('a key is redeemed by curl, and the root of the file is trusted by its fingerprint', async () => {
      await settings({ serverUrl: '', watchSeconds: 1, checkEveryHours: 0 });
      const { publicKey } = await scene.state();
      await runTool('update-server', ['appliance', 'add', '--state', shop.server, '--name', 'Hidden', '--key', publicKey]);
      const answer = await redeem(await shell.says('download-key'), carried);
      assert.equal(answer.code, 0, answer.error);

      const unchanged = await imprint();
      const fingerprint = /SHA-256 ([0-9a-f]{64})/.exec(await shell.refusal('import', carried))?.[1] ?? '';
      assert.match(await shell.refusal('import', carried, '--trust', 'a'.repeat(64)), /another one than you compared/);
      assert.deepEqual(await imprint(), unchanged);
      const altered = readFileSync(carried);
      const middle = Math.floor(altered.length / 2);
      altered.writeUInt8(altered.readUInt8(middle) ^ 1, middle);
      assert.match(
        await shell.refusal('import', place('altered', altered), '--trust', fingerprint),
        /not what was signed|altered/,
      );
      assert.deepEqual(readdirSync(join(scene.appliance.paths.updates, 'packages')), []);
    });

    part('a file that is no good is refused with one sentence, and nothing changes', async () => {
      const unchanged = await imprint();
      const bytes = readFileSync(carried);
      const cut = bytes.subarray(0, bytes.length - 1_000_000);
      const expired = Buffer.from(bytes.toString('latin1').replace(/("validUntilMs":)\d{13}/, '$11000000000000'), 'latin1');
      assert.match(await shell.refusal('import', place('cut', cut)), /incomplete|ends in the middle/);
      assert.match(await shell.refusal('import', place('expired', expired)), /was good until/);
      assert.match(await shell.refusal('import', place('none', Buffer.from('nothing'))), /file/);

      const { privateKey } = generateKeyPairSync('ed25519');
      const keyOf = (name: string, key: typeof privateKey, nowMs: number): string =>
        createDownloadKey({
          privateKey: key,
          applianceName: name,
          installed: { base: '0.1.0', site: '0.1.0', runtimes: [] },
          rootVersion: 1,
          nowMs,
          nonce: randomBytes(18).toString('base64url'),
        });
      const add = ['appliance', 'add', '--state', shop.server, '--name', 'Other', '--key', publicKeyText(privateKey)];
      await runTool('update-server', add);
      const others = join(scene.appliance.directory, 'others.bascule-update');
      assert.equal((await redeem(keyOf('Other', privateKey, Date.now()), others)).code, 0);
      assert.match(await shell.refusal('import', others), /another appliance \(Other\)/);

      const own = await openApplianceKey(join(scene.appliance.paths.updates, 'appliance.key'));
      const refused = join(scene.appliance.directory, 'refused');
      const late = await redeem(keyOf('Hidden', own, Date.now() - DAY_MS), refused);
      assert.notEqual(late.code, 0);
      assert.match(readFileSync(refused, 'utf8'), /expired/);
      assert.deepEqual(await imprint(), unchanged);
    });

    part('what needs another package first says so, and the path is in order', async () => {
      assert.match(await shell.says('import', carried), /Upgrade path/);
      const state = await scene.state();
      assert.deepEqual(words(state), [
        'install base 0.2.0',
        'back-up site 0.2.0',
        'install site 0.2.0',
        'wait-for-clients site 0.2.0',
        'back-up site 0.3.0',
        'install site 0.3.0',
      ]);
      assert.equal(offerOf(state, BASE).state, 'installable');
      for (const target of [site('0.2.0'), site('0.3.0')]) assert.equal(offerOf(state, target).state, 'blocked');
      const told = await shell.says('updates');
      assert.match(told, /site-0\.2\.0.*\n +Install base 0\.2\.0 first\.\n/);
      assert.match(told, /site-0\.3\.0.*\n +Install site 0\.2\.0 first\.\n +Install base 0\.2\.0 first\.\n/);
      assert.match(await shell.refusal('install', site('0.3.0')), /install/);
    });

    part('base is installed by the command line', async () => {
      const out = await shell.says('install', 'base', '--accept-eula', 'Ada', '--overrule', 'clock');
      assert.match(out, /Installed: base 0\.2\.0 after 0\.1\.0/);
      const state = await scene.state();
      assert.equal(scene.installed(state, 'base'), '0.2.0');
      assert.equal(offerOf(state, site('0.2.0')).state, 'installable');
      assert.deepEqual(offerOf(state, site('0.3.0')).blockedBy, [
        { reason: 'installs-over', kind: 'site', version: '0.2.0', range: '>=0.2.0', atMs: null },
      ]);
    });
  });

  describe('from a plain mirror', () => {
    part('a copy behind any web server is enough', async () => {
      await shop.publish(site('0.4.0'));
      mirror.copy();
      await mirror.start();
      await settings({ serverUrl: mirror.url });
      const state = await scene.check();
      assert.equal(state.lastCheck?.error, null);
      assert.ok(offerOf(state, site('0.4.0')).manifest.emergency);
    });

    part('a trial migrates and starts a copy, measured, and leaves nothing', async () => {
      const before = migrations();
      const tried = await ended(await scene.begin(site('0.2.0'), 'trial'));
      assert.equal(tried.outcome, 'tried', JSON.stringify(tried.cause));
      const log = await shell.says('log', tried.id);
      assert.match(log, /test-release/);
      assert.match(log, /migrated the copy and started in \d+ ms/);
      const { lines } = await scene.box.call('POST', 'updates/preflight', preflightAnswer, { target: site('0.2.0') });
      const timing = lines.find(({ code }) => code === 'migration-timing');
      assert.deepEqual([timing?.outcome, Number(timing?.params['trialMs']) > 0], ['green', true]);

      const failed = await ended(await scene.begin(site('0.4.0'), 'trial'));
      assert.equal(failed.outcome, 'failed');
      assert.match(failed.cause?.message ?? '', /CHECK constraint failed/);
      assert.deepEqual(migrations(), before);
      assert.ok(!before.includes(49));
      assert.deepEqual(
        readdirSync(scene.appliance.paths.snapshots).filter((name) => name.startsWith('trial')),
        [],
      );
      const state = await scene.state();
      assert.deepEqual([scene.installed(state, 'site'), state.rolledBack], ['0.1.0', null]);
      assert.ok((await scene.appliance.processes()).every(({ state: is, restarts }) => is === 'ready' && restarts === 0));
    });

    part('nothing is installed unattended unless it is switched on, and then in its window', async () => {
      const days = [0, 1, 2, 3, 4, 5, 6];
      const always = { isOn: true, days, fromHour: 0, hours: 24 };
      assert.equal((await scene.state()).settings.unattended.isOn, false);
      await nothingUnattended();
      await settings({ unattended: { ...always, days: [(new Date().getDay() + 3) % 7] } });
      await nothingUnattended();
      await settings({ unattended: always });
      const { outcome, cause, toVersion } = await unattendedInstallation();
      assert.deepEqual([toVersion, outcome], ['0.2.0', 'installed'], JSON.stringify(cause));
      // No client is waited for: the next check would begin with the next.
      await settings({ unattended: { ...always, isOn: false } });
    });

    part('what was downloaded is installed with no server there', async () => {
      const target = site('0.3.0');
      forget(target);
      const { outcome } = await ended(await scene.begin(target, 'download'));
      assert.equal(outcome, 'downloaded');
      const offer = offerOf(await scene.state(), target);
      assert.deepEqual([offer.state, offer.downloadedBytes], ['installable', offer.downloadBytes]);
      assert.equal(scene.installed(await scene.state(), 'site'), '0.2.0');
      await mirror.stop();
      assert.match(await shell.refusal('check'), /refuses the connection.*by hand/s);
      const { outcome: end, cause } = await install(target);
      assert.equal(end, 'installed', JSON.stringify(cause));
      // The mirror has told of newer ones meanwhile.
      assert.match(await shell.refusal('import', carried), /older .*than this appliance has seen/);
    });
  });

  describe('licences', () => {
    part('one that has expired is shown, and stops nobody', async () => {
      await mirror.start();
      await shop.buildLicence('1.0.0', ['--maintained-until', '2099-12-31', '--expires', '2020-01-01', '--endpoints', '500']);
      await shop.publish(licence('1.0.0'));
      mirror.copy();
      await settings({ serverUrl: mirror.url });
      await scene.check();
      const { outcome, cause } = await install(licence('1.0.0'));
      assert.equal(outcome, 'installed', JSON.stringify(cause));
      const [shown] = (await scene.state()).licences;
      assert.deepEqual(
        [shown?.holder, shown?.endpoints, shown?.maintainedUntilMs, shown?.isExpired],
        ['Muster AG', 500, Date.parse('2099-12-31'), true],
      );
      for (const [client, password] of [
        [scene.box, BOX_PASSWORD],
        [scene.site, SITE_PASSWORD],
      ] as const)
        assert.equal(await client.fresh().logIn('admin', password), 'ok');
      assert.equal(offerOf(await scene.state(), site('0.4.0')).state, 'installable');
    });

    part('after the end of maintenance later releases wait for a new licence, and going back works', async () => {
      await shop.buildLicence('1.1.0', ['--maintained-until', '2020-01-01']);
      await shop.buildLicence('1.2.0', ['--maintained-until', '2099-12-31']);
      await shop.publish(licence('1.1.0'), licence('1.2.0'));
      mirror.copy();
      await scene.check();
      assert.equal((await install(licence('1.1.0'))).outcome, 'installed');
      const state = await scene.state();
      assert.deepEqual(
        offerOf(state, site('0.4.0')).blockedBy.map(({ reason, atMs }) => [reason, atMs]),
        [['not-maintained', Date.parse('2020-01-01')]],
      );
      assert.match(await shell.says('updates'), /maintenance ended on 2020-01-01/);
      assert.equal((await ended(await scene.rollBack('site'))).outcome, 'installed');
      assert.equal(offerOf(await scene.state(), site('0.3.0')).state, 'blocked');
      assert.equal((await install(licence('1.2.0'))).outcome, 'installed');
      assert.equal((await install(site('0.3.0'))).outcome, 'installed');
    });
  });

  describe('with mail', () => {
    part('an emergency package comes outside the window when the lane is on; what fails is rolled back and told', async () => {
      const { settings: now } = await scene.box.call('GET', 'support/email', mailState);
      const { hasPassword: _hasPassword, ...plain } = now;
      const to = { isOn: true, host: '127.0.0.1', port: mails.plainPort, security: 'none', from: 'box@example.org' };
      await scene.box.call('PUT', 'support/email', mailState, { ...plain, ...to, recipients: ['ada@example.org'] });
      await nothingUnattended();
      await settings({ emergencyLane: true });
      const { outcome, cause, toVersion } = await unattendedInstallation();
      assert.deepEqual([toVersion, outcome], ['0.4.0', 'rolled-back']);
      assert.match(cause?.message ?? '', /CHECK constraint failed/);
      const [mail] = await mails.received(1);
      assert.match(mail ?? '', /0\.4\.0/);
      const { rolledBack } = await scene.state();
      await scene.box.call('POST', 'updates/acknowledge', z.unknown(), { id: rolledBack?.id });
      // Once is enough.
      await nothingUnattended();
      await settings({ emergencyLane: false });
    });

    part('with a site that cannot start, base mails all the same; a mail that fails is shown', async () => {
      await breakSite();
      const { outcome } = await install(site('0.4.0'));
      assert.equal(outcome, 'rolled-back');
      assert.match((await mails.received(2))[1] ?? '', /0\.4\.0/);
      await mails.stop();
      await install(site('0.4.0'));
      const { lastFailure } = await waitUntil('the failed mail is shown', async () => {
        const state = await scene.box.call('GET', 'support/email', mailState);
        return state.lastFailure && state;
      });
      assert.match(lastFailure?.message ?? '', /ECONNREFUSED|refuse/);
    });
  });

  describe('with the web down, by the command line', () => {
    part('status, updates and log answer; the site is brought back by going back', async () => {
      const { code, out } = await shell.run('status');
      assert.deepEqual([code, /^ {2}site .*(waiting|failed|starting)/m.test(out)], [1, true], out);
      assert.match(await shell.says('updates'), /site +0\.3\.0/);
      assert.match(await shell.says('log'), /broken on purpose|site/);
      assert.match(await shell.says('rollback', 'site'), /Rolled back: site 0\.2\.0 after 0\.3\.0/);
      assert.match(await shell.says('status'), /^Running/);
      await scene.site.logIn('admin', SITE_PASSWORD);
    });

    part('and by installing what was carried', async () => {
      await settings({ serverUrl: '' });
      await breakSite();
      const again = join(scene.appliance.directory, 'again.bascule-update');
      assert.equal((await redeem(await shell.says('download-key'), again)).code, 0);
      await shell.says('import', again);
      const refused = await shell.run('install', site('0.3.0'));
      assert.equal(refused.code, 1);
      assert.match(refused.out, /amber +database-integrity/);
      const out = await shell.says('install', site('0.3.0'), '--overrule', 'database-integrity,clock');
      assert.match(out, /Installed: site 0\.3\.0 after 0\.2\.0/);
      assert.match(await shell.says('status'), /^Running/);
    });
  });

  part('stopped, status, updates and log still answer', async () => {
    await shell.says('stop');
    await waitUntil('it is stopped', async () => (await shell.run('status')).out.startsWith('Stopped'));
    assert.match((await shell.run('updates')).out, /base +0\.2\.0.*\nsite +0\.3\.0/);
    assert.match(await shell.says('log'), /site|base/);
  });
});
