/**
 * An upgrade of base and site under load, as seen from outside: a client that asks every 5 ms, 200 live sessions in which a key is pressed now and then, and a
 * site database of 1 GB. Aims: nothing refused or failed, the longest answer under 1 s (site) and 3 s (base), the longest keystroke gap under 1 s.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sitePaths } from '@bascule/core/home.ts';
import { must } from '@bascule/core/must.ts';
import { createdUser } from '@bascule/protocol/api/auth.ts';
import type { ApiClient } from '@bascule/testkit/api-client.ts';
import { TypingSession } from '@bascule/testkit/typing-session.ts';
import { UpgradeRun } from '@bascule/testkit/upgrade-run.ts';
import { LaunchedUpdateServer, NEXT_VERSION, ReleaseShop, SITE_PASSWORD, UpgradeScene } from '@bascule/testkit/upgrade-scene.ts';
import { fillDatabase } from './big-database.ts';

const SESSIONS = 200;
/** A Jump Item has at most 20 sessions. */
const CLIENTS = 10;
const DATABASE_BYTES = 1e9;
/** 200 people who press a key every two seconds. */
const KEY_EVERY_MS = 2000;
const WATCH_SECONDS = 10;
/** What the site lets one user have at a time. */
const SESSIONS_PER_PERSON = 20;
/** Log-ins of one address are limited to one in three seconds. */
const LOGIN_PAUSE_MS = 10_000;

export async function run(): Promise<Record<string, number>> {
  using shop = await ReleaseShop.open(say);
  await using server = await LaunchedUpdateServer.start(shop);
  await using scene = await UpgradeScene.start({ clients: 0 });
  await scene.trust(server, WATCH_SECONDS);
  await scene.appliance.stop();
  const database = sitePaths(join(scene.appliance.home, 'site')).database;
  fillDatabase(database, DATABASE_BYTES);
  say(`site.db has ${statSync(database).size} bytes`);
  await scene.appliance.start();
  await scene.startClients(CLIENTS);
  const people = await peopleOf(scene, Math.ceil(SESSIONS / SESSIONS_PER_PERSON));
  const sessions = [];
  for (let number = 0; number < SESSIONS; number++) {
    const api = must(people[number % people.length], 'a person');
    sessions.push(await TypingSession.start(api, must(scene.items[number % CLIENTS], 'a Jump Item'), KEY_EVERY_MS));
  }
  say(`${sessions.length} sessions are typing`);
  const upgrade = new UpgradeRun(scene, sessions);
  const base = await upgrade.install(scene.target('base'), ({ step }) => say(`base: ${step}`));
  const site = await upgrade.install(scene.target('site'), ({ step }) => say(`site: ${step}`));
  for (const { what, installation, polled } of [base, site])
    say(`${what}: ${installation.outcome} ${installation.cause?.message ?? ''} ${polled.failures.join(', ')}`);
  const outcomes = await upgrade.finish();
  for (const kind of ['base', 'site'] as const)
    say(
      `the package of ${kind}, which is what the next version costs: ${statSync(shop.packageFile(kind, NEXT_VERSION)).size} bytes`,
    );
  return {
    http_failed: base.polled.failed + site.polled.failed,
    http_max_ms_site: Math.round(site.polled.longestMs),
    http_max_ms_base: Math.round(base.polled.longestMs),
    key_gap_ms: Math.round(Math.max(base.longestGapMs, site.longestGapMs)),
    sessions_lost: outcomes.filter(({ isLost }) => isLost).length,
    bytes_lost: outcomes.reduce((sum, { bytesLost }) => sum + bytesLost, 0),
    total_s: Math.round((base.withoutWatchMs + site.withoutWatchMs) / 100) / 10,
  };
}

/** `count` administrators, the first one included. */
async function peopleOf(scene: UpgradeScene, count: number): Promise<ApiClient[]> {
  const people = [scene.site];
  while (people.length < count) {
    const name = `person-${people.length}`;
    const user = { name, displayName: name, role: 'administrator' };
    const { oneTimePassword } = await scene.site.call('POST', 'users', createdUser, user);
    const api = scene.site.fresh();
    // Taking over is up to three of them.
    await delay(LOGIN_PAUSE_MS);
    await api.takeOver(oneTimePassword, SITE_PASSWORD, name);
    people.push(api);
  }
  return people;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
