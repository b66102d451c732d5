/** I6 on a whole appliance with real Jump Clients: whatever becomes of certificates, identities, clocks and the database, they come back by themselves. */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { checkServerIdentity, connect } from 'node:tls';
import { ok } from '@bascule/protocol/api/common.ts';
import { fleetSettings, identityState, losses } from '@bascule/protocol/api/fleet.ts';
import { jumpItem, jumpItems } from '@bascule/protocol/api/jump.ts';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { CuttingProxy } from '@bascule/testkit/cutting-proxy.ts';
import { launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import type { LaunchedJumpClient } from '@bascule/testkit/launch-jump-client.ts';
import { MovedClock } from '@bascule/testkit/moved-clock.ts';
import { TestViewer } from '@bascule/testkit/viewer.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { LEAF_CHECK_INTERVAL_MS } from '../../apps/site/src/jump/link-leaf.ts';
import { makeWebCertificate } from './web-certificates.ts';

const PASSWORD = 'correct horse battery staple';
const DAY_MS = 24 * 60 * 60_000;
const AWAY_LIMIT_MS = 40_000;
/** Clients dial this address of this machine, which no certificate here holds. */
const DIALLED = '127.0.0.2';
const LEAF_CHECK_HURRIED_MS = 200;

let appliance: LaunchedAppliance;
let proxy: CuttingProxy;
let client: LaunchedJumpClient;
/** Of base, which replaces a certificate that has ended by its own clock. */
let baseClock: MovedClock;
let siteClock: MovedClock;
let directory: string;
let api: ApiClient;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bascule-certificates-'));
  appliance = await launchAppliance({ directory, environment: clockEnvironment() });
  proxy = await CuttingProxy.start(appliance.port, DIALLED);
  api = await ApiClient.pin(appliance.url);
  await api.takeOver(appliance.passwords.login, PASSWORD);
  client = await startClient('far');
  await useShell('far');
});

after(async () => {
  await appliance[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

/** base and the programs of the site have a clock each, and the site looks at its link certificate all the time instead of once a day. */
function clockEnvironment(): Record<string, string> {
  const [ofBase, ofSite] = ['base', 'site'].map((name) => join(directory, name));
  for (const made of [ofBase!, ofSite!]) mkdirSync(made, { mode: 0o755 });
  baseClock = new MovedClock(ofBase!);
  siteClock = new MovedClock(ofSite!);
  const [, preload = ''] = (siteClock.environment['NODE_OPTIONS'] ?? '').split('=');
  const file = join(directory, 'clocks.mjs');
  const text = `
    const program = /\\/(base|site)\\/src\\//.exec(process.argv[1] ?? '')?.[1];
    if (program !== undefined) {
      process.env.BASCULE_MOVED_CLOCK = program === 'base' ? process.env.BASCULE_BASE_CLOCK : process.env.BASCULE_SITE_CLOCK;
      await import(${JSON.stringify(preload)});
    }
    const every = globalThis.setInterval;
    globalThis.setInterval = (work, ms, ...rest) => every(work, ms === ${LEAF_CHECK_INTERVAL_MS} ? ${LEAF_CHECK_HURRIED_MS} : ms, ...rest);
  `;
  writeFileSync(file, text, { mode: 0o644 });
  return {
    NODE_OPTIONS: `--import=${file}`,
    BASCULE_BASE_CLOCK: baseClock.environment['BASCULE_MOVED_CLOCK'] ?? '',
    BASCULE_SITE_CLOCK: siteClock.environment['BASCULE_MOVED_CLOCK'] ?? '',
  };
}

const startClient = (name: string) => appliance.startJumpClient({ name, url: `https://${DIALLED}:${proxy.port}` });

/** Logs in as a browser whose user has accepted whatever is shown. */
async function logIn(): Promise<void> {
  api = await ApiClient.pin(appliance.url);
  api.agent.options.rejectUnauthorized = false;
  await waitUntil(
    'the site answers',
    async () => (await api.logIn('admin', PASSWORD).catch(() => undefined)) === 'ok' || undefined,
  );
}

/** The Jump Item of this name is there by itself. */
async function comesBack(name: string): Promise<string> {
  return waitUntil(
    `Jump Item ${name} is online`,
    async () => {
      const item = await itemOf(name).catch(() => undefined);
      return item?.online === true ? item.id : undefined;
    },
    AWAY_LIMIT_MS,
  ).catch((error: unknown) => appliance.fail(error));
}

/** As `comesBack`, and a shell on it answers. */
async function useShell(name: string): Promise<void> {
  using viewer = new TestViewer(api, await api.openSession(await comesBack(name)));
  viewer.type('printf "%s" re""ady\r');
  await viewer.untilText('ready');
  await api.call('POST', `access-sessions/${viewer.session}/end`, ok, {});
}

async function itemOf(name: string) {
  const { items } = await api.call('GET', 'jump/items', jumpItems);
  const found = items.find((item) => item.name === name);
  if (found === undefined) throw new Error(`no Jump Item ${name}`);
  return found;
}

const identity = () => api.call('GET', 'fleet/identity', identityState);
const rotate = () => api.call('POST', 'fleet/identity/rotate', identityState, {});

/** What the client trusts now, from its own file. */
function trustedBy({ home }: LaunchedJumpClient): string {
  const { authority } = JSON.parse(readFileSync(join(home, 'identity.json'), 'utf8')) as { authority: string };
  return createHash('sha256').update(new X509Certificate(authority).raw).digest('hex');
}

const trusts = (one: LaunchedJumpClient, fingerprintSha256: string) =>
  waitUntil(`${one.name} trusts the new identity`, () => trustedBy(one) === fingerprintSha256 || undefined, AWAY_LIMIT_MS);

/** The certificate that browsers are shown, and why they do not trust it. */
async function shown(): Promise<{ certificate: X509Certificate; problem: string }> {
  const socket = connect({ host: '127.0.0.1', port: appliance.port, servername: 'localhost', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerX509Certificate();
  assert.ok(certificate);
  assert.ok(checkServerIdentity(DIALLED, socket.getPeerCertificate()) instanceof Error, 'it does not hold what clients dial');
  socket.destroy();
  return { certificate, problem: String(socket.authorizationError) };
}

/** Stops the appliance alone, does something to its files, and starts it. */
async function whileStopped(act: () => void): Promise<void> {
  const pid = await appliance.pid('boot');
  process.kill(pid, 'SIGTERM');
  await waitUntil('the appliance has stopped', () => !existsSync(`/proc/${pid}/fd/0`) || undefined);
  act();
  appliance.startBoot();
  await appliance.ready();
  await logIn();
}

/** SIGKILLs the program, whose successor reads its files anew. */
async function again(program: 'base' | 'site'): Promise<void> {
  const before = await appliance.pid('site');
  await appliance.kill(program);
  await waitUntil('a new site runs', async () => (await appliance.pid('site').catch(() => before)) !== before || undefined);
  await logIn();
}

describe('clients come back by themselves', { concurrency: false }, () => {
  it('when the web certificate is of another key and authority, has ended, and does not hold what they dial', async () => {
    const pem = await makeWebCertificate({
      names: ['localhost', '127.0.0.1', '::1', hostname()],
      byAuthority: true,
      endedDaysAgo: 3,
    });
    writeFileSync(join(appliance.paths.boxTls, 'web.pem'), pem);
    // By base's clock it is good for two more months, so that it goes on to serve it.
    baseClock.move(-60 * DAY_MS);
    await again('base');
    const { certificate, problem } = await shown();
    assert.ok(pem.includes(certificate.toString().trim()));
    assert.ok(certificate.validToDate.getTime() < Date.now());
    assert.match(problem, /CERT_HAS_EXPIRED|UNABLE_TO_VERIFY/);
    await useShell('far');
  });

  it('when the identity is rotated while they are connected, and twice while they are away', async () => {
    const away = await startClient('away');
    await comesBack('away');
    await away.stop();
    const first = await identity();
    const second = await rotate();
    assert.notEqual(second.fingerprintSha256, first.fingerprintSha256);
    assert.deepEqual(
      second.former.map(({ fingerprintSha256 }) => fingerprintSha256),
      [first.fingerprintSha256],
    );
    await useShell('far');
    proxy.cut();
    await trusts(client, second.fingerprintSha256);

    const third = await rotate();
    assert.equal(trustedBy(away), first.fingerprintSha256);
    away.restart();
    proxy.cut();
    await trusts(away, third.fingerprintSha256);
    await useShell('away');
    await useShell('far');
    const lost = await api.call('POST', 'fleet/losses', losses, { change: { kind: 'identity' } });
    assert.deepEqual([lost.lost, lost.connected], [0, 2]);
    await away.stop();
  });

  it('when the link certificate has ended: as the policy says, and at once when it is renewed', async () => {
    const settings = await api.call('GET', 'fleet/settings', fleetSettings);
    await api.call('PUT', 'fleet/settings', fleetSettings, { ...settings, toleratesDates: true });
    await waitUntil('the client knows the policy', () => settingsOf(client)?.toleratesDates === true || undefined);
    siteClock.move(-3 * 365 * DAY_MS);
    await again('site');
    await useShell('far');

    await api.call('PUT', 'fleet/settings', fleetSettings, settings);
    await waitUntil('the client knows the safe policy', () => settingsOf(client)?.toleratesDates === false || undefined);
    proxy.cut();
    await waitUntil(
      'the client says why it stays away',
      () => /has ended by this machine's clock/.test(client.log()) || undefined,
      AWAY_LIMIT_MS,
    );
    // Nothing is started anew: the site renews what has ended by its own clock, too.
    siteClock.move(0);
    await logIn();
    await useShell('far');

    // One that has not begun yet, because the client's clock is slow, is always taken.
    const renewals = leafRenewals();
    siteClock.move(300 * DAY_MS);
    await waitUntil('another is renewed', () => leafRenewals() > renewals || undefined);
    proxy.cut();
    await logIn();
    await useShell('far');
    siteClock.move(0);
    await logIn();
  });

  it('when an older database is restored: known by their records, to be confirmed, never refused', async () => {
    const { database } = appliance.paths.site;
    const backup = join(appliance.directory, 'site.db.backup');
    const revokedLater = await startClient('revoked-later');
    await comesBack('revoked-later');
    backUp(database, backup);

    const [recorded, bare] = [await startClient('recorded'), await startClient('bare')];
    const tagged = await comesBack('recorded');
    await comesBack('bare');
    await api.call('PATCH', `jump/items/${tagged}`, jumpItem, { name: 'by another name', tags: ['blue'] });
    await api.call('POST', `jump/items/${(await itemOf('revoked-later')).id}/revoke`, jumpItem, {});
    await waitUntil('it has heard that it is revoked', () => /refused/.test(revokedLater.log()) || undefined);
    proxy.cut();
    await waitUntil(
      'its record has its new name',
      () => recordOf(recorded)?.name === 'by another name' || undefined,
      AWAY_LIMIT_MS,
    );
    await Promise.all([recorded.stop(), bare.stop(), revokedLater.stop()]);
    rmSync(join(bare.home, 'record'), { force: true });

    await whileStopped(() => {
      for (const ending of ['-wal', '-shm']) rmSync(`${database}${ending}`, { force: true });
      writeFileSync(database, readFileSync(backup));
    });
    for (const one of [recorded, bare, revokedLater]) one.restart();
    let listed = '';
    const states = await waitUntil(
      'all are listed',
      async () => {
        const { items } = await api.call('GET', 'jump/items', jumpItems);
        listed = items.map(({ name, state, online }) => `${name}: ${state}, ${online ? 'online' : 'away'}`).join('; ');
        return items.filter(({ state, online }) => state === 'to-be-confirmed' && online).length === 3 ? items : undefined;
      },
      AWAY_LIMIT_MS,
    ).catch((error: unknown) => appliance.fail(new Error(listed, { cause: error })));
    const known = states.find(({ id }) => id === tagged);
    assert.deepEqual([known?.name, known?.tags], ['by another name', ['blue']]);
    assert.match(states.find(({ name }) => name === 'revoked-later')?.comment ?? '', /revoked/);
    const { restored } = await identity();
    assert.ok(restored !== null && restored.sinceMs < Date.now() && restored.clients >= 2, JSON.stringify(restored));
    for (const { id } of states.filter(({ state }) => state === 'to-be-confirmed'))
      await api.call('POST', `jump/items/${id}/confirm`, jumpItem, {});
    await useShell('by another name');
    await useShell('far');
  });
});

/** A copy of the database in use, as it is at one moment. */
function backUp(database: string, backup: string): void {
  const source = new DatabaseSync(database);
  source.exec(`VACUUM INTO '${backup}'`);
  source.close();
}

/** How often the site has said that it renewed its link certificate. */
function leafRenewals(): number {
  return readFileSync(join(appliance.paths.logs, 'appliance.log'), 'utf8').split('link-leaf-renewed').length - 1;
}

function settingsOf({ home }: LaunchedJumpClient): { toleratesDates?: boolean } | undefined {
  const file = join(home, 'settings.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { toleratesDates?: boolean }) : undefined;
}

/** The content of the record that the client keeps. */
function recordOf({ home }: LaunchedJumpClient): { name: string } | undefined {
  const file = join(home, 'record');
  if (!existsSync(file)) return undefined;
  return JSON.parse(Buffer.from(readFileSync(file, 'utf8').split('.')[0]!, 'base64url').toString('utf8')) as { name: string };
}
