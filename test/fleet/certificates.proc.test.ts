/** I6 on a whole appliance with real Jump Clients: whatever becomes of certificates, identities, clocks and the database, they come back by themselves. */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ok } from '@bascule/protocol/api/common.ts';
import { fleetSettings, identityState, losses } from '@bascule/protocol/api/fleet.ts';
import { jumpItem, jumpItems } from '@bascule/protocol/api/jump.ts';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import type { LaunchedJumpClient } from '@bascule/testkit/launch-jump-client.ts';
import { MovedClock } from '@bascule/testkit/moved-clock.ts';
import { TestViewer } from '@bascule/testkit/viewer.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { makeWebCertificate } from './web-certificates.ts';

const PASSWORD = 'correct horse battery staple';
const DAY_MS = 24 * 60 * 60_000;
const AWAY_LIMIT_MS = 40_000;

let appliance: LaunchedAppliance;
let client: LaunchedJumpClient;
let clock: MovedClock;
let directory: string;
let api: ApiClient;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bascule-certificates-'));
  clock = new MovedClock(directory);
  // Of the site alone: the web certificate, which base makes, is no matter here.
  const onlySite = join(directory, 'site-clock.mjs');
  const [, preload = ''] = (clock.environment['NODE_OPTIONS'] ?? '').split('=');
  writeFileSync(onlySite, `if (/\\/site\\/src\\//.test(process.argv[1] ?? '')) await import(${JSON.stringify(preload)});\n`, {
    mode: 0o644,
  });
  const environment = { ...clock.environment, NODE_OPTIONS: `--import=${onlySite}` };
  appliance = await launchAppliance({ directory, environment });
  api = await ApiClient.pin(appliance.url);
  await api.takeOver(appliance.passwords.login, PASSWORD);
  client = await appliance.startJumpClient({ name: 'far' });
  await useShell('far');
});

after(async () => {
  await appliance[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

/** Logs in as a browser that has accepted whatever is shown. */
async function logIn(): Promise<void> {
  api = await ApiClient.pin(appliance.url);
  await waitUntil(
    'the site answers',
    async () => (await api.logIn('admin', PASSWORD).catch(() => undefined)) === 'ok' || undefined,
  );
}

/** The Jump Item of this name is there by itself, and a shell on it answers. */
async function useShell(name: string): Promise<void> {
  const item = await waitUntil(
    `Jump Item ${name} is online`,
    async () => (await itemOf(name).catch(() => undefined))?.online === true || undefined,
    AWAY_LIMIT_MS,
  )
    .then(() => itemOf(name))
    .catch((error: unknown) => appliance.fail(error));
  using viewer = new TestViewer(api, await api.openSession(item.id));
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
  it('through every change of the web certificate', async () => {
    const file = join(appliance.paths.boxTls, 'web.pem');
    const change = async (pem: string) => {
      writeFileSync(file, pem);
      await again('base');
      await useShell('far');
    };
    await change(await makeWebCertificate({ names: ['localhost', '127.0.0.1'] }));
    await change(await makeWebCertificate({ names: ['localhost', '127.0.0.1'], byAuthority: true }));
    // Both of these base replaces at its start, with another certificate for the same key.
    await change(await makeWebCertificate({ names: ['localhost', '127.0.0.1'], endedDaysAgo: 3 }));
    await change(await makeWebCertificate({ names: ['other.example'] }));
  });

  it('when the identity is rotated while they are connected, and twice while they are away', async () => {
    const away = await appliance.startJumpClient({ name: 'away' });
    await useShell('away');
    await away.stop();
    const first = await identity();
    const second = await rotate();
    assert.notEqual(second.fingerprintSha256, first.fingerprintSha256);
    assert.deepEqual(
      second.former.map(({ fingerprintSha256 }) => fingerprintSha256),
      [first.fingerprintSha256],
    );
    await useShell('far');
    await again('site');
    await useShell('far');
    await waitUntil('the client trusts the new identity', () => trustedBy(client) === second.fingerprintSha256 || undefined);

    const third = await rotate();
    assert.equal(trustedBy(away), first.fingerprintSha256);
    await again('site');
    away.restart();
    await useShell('away');
    await waitUntil('the client that was away trusts it too', () => trustedBy(away) === third.fingerprintSha256 || undefined);
    await useShell('far');
    const late = await appliance.startJumpClient({ name: 'late' });
    await useShell('late');
    assert.equal(trustedBy(late), third.fingerprintSha256);
    const lost = await api.call('POST', 'fleet/losses', losses, { change: { kind: 'identity' } });
    assert.deepEqual([lost.lost, lost.connected], [0, 3]);
    await late.stop();
    await away.stop();
  });

  it('when their clock, or that of the appliance, is years off: as the policy says', async () => {
    const settings = await api.call('GET', 'fleet/settings', fleetSettings);
    await api.call('PUT', 'fleet/settings', fleetSettings, { ...settings, toleratesDates: false });
    // As the client sees it: its own clock is slow. An early certificate is always taken.
    clock.move(300 * DAY_MS);
    await again('site');
    await useShell('far');
    // Its own clock is fast, and the certificate has ended.
    clock.move(-3 * 365 * DAY_MS);
    await again('site');
    await waitUntil(
      'the client says why it stays away',
      () => /has ended by this machine's clock/.test(client.log()) || undefined,
      AWAY_LIMIT_MS,
    );
    clock.move(0);
    await again('site');
    await useShell('far');
    await api.call('PUT', 'fleet/settings', fleetSettings, { ...settings, toleratesDates: true });
    clock.move(-3 * 365 * DAY_MS);
    await again('site');
    await useShell('far');
    clock.move(0);
    await again('site');
    await useShell('far');
  });

  it('when an older database is restored: known by their records, to be confirmed, never refused', async () => {
    const { database } = appliance.paths.site;
    const backup = join(appliance.directory, 'site.db.backup');
    const revokedLater = await appliance.startJumpClient({ name: 'revoked-later' });
    await useShell('revoked-later');
    await whileStopped(() => copyFileSync(database, backup));
    await useShell('far');

    const recorded = await appliance.startJumpClient({ name: 'recorded' });
    const bare = await appliance.startJumpClient({ name: 'bare' });
    await useShell('recorded');
    await useShell('bare');
    const tagged = await itemOf('recorded');
    await api.call('PATCH', `jump/items/${tagged.id}`, jumpItem, { name: 'by another name', tags: ['blue'] });
    await api.call('POST', `jump/items/${(await itemOf('revoked-later')).id}/revoke`, jumpItem, {});
    await waitUntil('it has heard that it is revoked', () => /refused/.test(revokedLater.log()) || undefined);
    await again('site');
    await waitUntil(
      'its record has its new name',
      () => recordOf(recorded)?.name === 'by another name' || undefined,
      AWAY_LIMIT_MS,
    );
    await Promise.all([recorded.stop(), bare.stop(), revokedLater.stop()]);
    rmSync(join(bare.home, 'record'), { force: true });

    await whileStopped(() => {
      for (const ending of ['-wal', '-shm']) rmSync(`${database}${ending}`, { force: true });
      copyFileSync(backup, database);
    });
    for (const one of [recorded, bare, revokedLater]) one.restart();
    const states = await waitUntil('all are listed', async () => {
      const { items } = await api.call('GET', 'jump/items', jumpItems);
      return items.filter(({ state, online }) => state === 'to-be-confirmed' && online).length === 3 ? items : undefined;
    });
    const known = states.find(({ id }) => id === tagged.id);
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

/** The content of the record that the client keeps. */
function recordOf({ home }: LaunchedJumpClient): { name: string } | undefined {
  const file = join(home, 'record');
  if (!existsSync(file)) return undefined;
  return JSON.parse(Buffer.from(readFileSync(file, 'utf8').split('.')[0]!, 'base64url').toString('utf8')) as { name: string };
}
