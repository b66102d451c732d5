/**
 * `fleet`: 15,000 Jump Clients at one appliance. What they cost while they are idle; an upgrade of all within a bandwidth and a number at once; how fast they are back
 * after SIGKILL of the site; what a person at a live session feels meanwhile; and how quick their lists are.
 *
 * 20 of them are real programs that the shell installer put there, each with its supervisor. The others are simulated (fleet-client.ts): real TLS, enrolment, control
 * links, orders and parcels, whose bytes are hashed and dropped; a restart is a new link of a program that knows nothing of the one before. They run with a low
 * priority, for the machines that they stand for have processors of their own. The session is at one more client, which cannot upgrade itself, so that it stays.
 *
 * BASCULE_BENCH_CLIENTS, BASCULE_BENCH_REAL: how many of each, at least one. BASCULE_BENCH_IDEAL_S: how long the upgrade of all is to take at the limit. BASCULE_BENCH_HOLD=1: says where the
 * appliance is and who may log in once the upgrade has begun, and waits for Enter before anything else, with no limit of time: for looking at the pages.
 */
import { once } from 'node:events';
import { globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { must } from '@bascule/core/must.ts';
import type { Rollout } from '@bascule/protocol/api/fleet.ts';
import { createdInstallerToken, jumpItemsPage } from '@bascule/protocol/api/jump.ts';
import { FleetScene } from '@bascule/testkit/fleet-scene.ts';
import type { InstalledProgram } from '@bascule/testkit/installed-program.ts';
import type { LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import { SITE_PASSWORD } from '@bascule/testkit/upgrade-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { EchoMeter } from './fleet-echo.ts';
import { measureLists } from './fleet-lists.ts';
import { BANDWIDTH_WINDOW_MS, Swarm } from './fleet-swarm.ts';

const REAL = Number(process.env['BASCULE_BENCH_REAL'] ?? 20);
const SIMULATED = Number(process.env['BASCULE_BENCH_CLIENTS'] ?? 15_000);
const ALL = SIMULATED + REAL;
const HOLDS = process.env['BASCULE_BENCH_HOLD'] === '1';
/** Of an upgrade of all, at the limit of bandwidth; fewer clients take no less, since the last one still has to restart. */
const IDEAL_S = Number(process.env['BASCULE_BENCH_IDEAL_S'] ?? (HOLDS ? 900 : 150));
/** How long a client holds its place: a few seconds to fetch its parcel in company, a restart, and the proof. */
const SECONDS_AT_ONCE = 12;
const [OLD, NEW] = ['0.2.0', '0.3.0'];
const INSTALLED_AT_ONCE = 4;
const IDLE_MS = 30_000;
const ECHO_IDLE_MS = 20_000;
/** After a storm, before memory and CPU are read: garbage is collected, batches are written. */
const SETTLE_MS = 15_000;
const ENROL_LIMIT_MS = 300_000;
const CONNECT_LIMIT_MS = 120_000;
const LOOK_MS = 250;
const SAY_EVERY = 20;
/** Linux counts CPU in hundredths of a second (USER_HZ). */
const TICK_MS = 10;

/** Gives the figures of bench/RESULTS.md. */
export async function run(): Promise<Record<string, number>> {
  using _releases = new SharedReleases();
  const figures = await runFleet();
  say('lists of 100,000 Jump Items ...');
  const lists = HOLDS ? undefined : await measureLists();
  return {
    ...figures,
    ...(lists && {
      list_search_p50_ms: round(lists.searchMedianMs, 1),
      list_search_max_ms: round(lists.searchSlowestMs, 1),
      list_ready_ms: Math.round(lists.readyMs),
      list_bulk_ms: Math.round(lists.bulkMs),
      list_bulk_blocked_ms: round(lists.bulkBlockedMs, 1),
      list_bytes_per_item: lists.bytesPerItem,
    }),
  };
}

async function runFleet(): Promise<Record<string, number>> {
  say(`releases ${OLD} and ${NEW}, an appliance with site ${OLD} ...`);
  await using scene = await FleetScene.start([{ version: OLD }, { version: NEW }]);
  const { appliance } = scene;
  await scene.changeSettings({ upgrades: 'off' });
  await appliance.startJumpClient({ name: 'live' });
  const live = await scene.site.onlineItem('live');
  say(`${REAL} real clients by the shell installer ...`);
  const first = await scene.install({ name: 'real-1' });
  for (let number = 2; number <= REAL; number += INSTALLED_AT_ONCE) {
    const names = Array.from({ length: Math.min(INSTALLED_AT_ONCE, REAL + 1 - number) }, (_, index) => `real-${number + index}`);
    await Promise.all(names.map((name) => scene.install({ name })));
  }

  const empty = await readServer(appliance);
  using swarm = new Swarm({ port: appliance.port, token: await makeToken(scene), count: SIMULATED, software: softwareOf(first) });
  await swarmEnrolled(swarm);
  const cost = await measureIdle(appliance, swarm, empty);
  say(JSON.stringify(cost.figures));

  say(`site ${NEW} ...`);
  await scene.installSite(NEW);
  await swarm.until('connected', SIMULATED, CONNECT_LIMIT_MS);
  await allOnline(scene);
  await delay(SETTLE_MS);
  using echo = await EchoMeter.start(scene.site, live);
  say('keystrokes while nothing happens ...');
  echo.begin();
  await delay(ECHO_IDLE_MS);
  const idleP99Ms = await echo.p99();
  const upgraded = await upgradeAll(scene, swarm, echo, idleP99Ms);
  say(JSON.stringify(upgraded));
  const storm = await measureStorm(scene, swarm, echo);
  const end = await readServer(appliance);
  return {
    clients: SIMULATED,
    // The fullest of the states: after the first connects, and after a restart with everyone coming back.
    kb_per_client: Math.round((Math.max(cost.rssBytes, end.rssBytes) - empty.rssBytes) / SIMULATED / 1024),
    ...cost.figures,
    ...storm,
    real_clients: REAL,
    ...upgraded,
  };
}

async function swarmEnrolled(swarm: Swarm): Promise<void> {
  say(`enrolling ${SIMULATED} simulated clients ...`);
  const startMs = performance.now();
  await swarm.until('enrolled', SIMULATED, ENROL_LIMIT_MS);
  say(`enrolled in ${seconds(performance.now() - startMs)} s`);
  await delay(SETTLE_MS / 3);
}

/** The first connects, and then nothing. */
async function measureIdle(appliance: LaunchedAppliance, swarm: Swarm, empty: ServerState) {
  const before = await readServer(appliance);
  swarm.connect();
  await swarm.until('connected', SIMULATED, CONNECT_LIMIT_MS);
  const after = await readServer(appliance);
  await delay(SETTLE_MS);
  const idleBegin = await readServer(appliance);
  await delay(IDLE_MS);
  const idleEnd = await readServer(appliance);
  say(`${Math.round((idleEnd.rssBytes - empty.rssBytes) / 2 ** 20)} MiB for all`);
  return {
    rssBytes: idleEnd.rssBytes,
    figures: {
      cpu_ms_per_connect: round((after.cpuMs - before.cpuMs) / SIMULATED, 2),
      idle_cpu_percent: round(((idleEnd.cpuMs - idleBegin.cpuMs) / IDLE_MS) * 100, 1),
    },
  };
}

/** Sets the limits, starts the rollout and watches it from the clients' side. */
async function upgradeAll(scene: FleetScene, swarm: Swarm, echo: EchoMeter, idleP99Ms: number): Promise<Record<string, number>> {
  const bytesPerSecond = Math.ceil((ALL * archiveBytes(scene.appliance)) / IDEAL_S);
  const maxConcurrent = Math.ceil((ALL / IDEAL_S) * SECONDS_AT_ONCE);
  await scene.changeSettings({
    maxBytesPerSecond: bytesPerSecond,
    maxConcurrent,
    maxStartsPerSecond: Math.ceil((ALL / IDEAL_S) * 2),
    rings: [{ name: 'All', groupIds: [], percent: 100, waitMinutes: 0 }],
    haltPercent: 100,
  });
  say(`upgrading ${ALL} clients: ${round(bytesPerSecond / 1e6, 1)} MB/s, ${maxConcurrent} at once ...`);
  const before = await readServer(scene.appliance);
  const startMs = performance.now();
  echo.begin();
  await scene.site.send('POST', 'fleet/rollout/start', {});
  if (HOLDS) await hold(scene);
  const seen = await untilUpgraded(scene, startMs);
  const tookMs = seen.endMs - startMs;
  const after = await readServer(scene.appliance);
  const p99Ms = await echo.p99();
  const { counts } = seen.last;
  // What the real clients fetched was not seen on their side.
  const fetched = swarm.receivedBytes;
  const payloadBytes = fetched / swarm.total('parcels');
  const idealMs = ((fetched + REAL * payloadBytes) / bytesPerSecond) * 1000;
  const { mostAtOnce } = swarm;
  const overshoot = (perSecond: number) => round(Math.max(0, (perSecond / bytesPerSecond - 1) * 100), 1);
  say(
    `took ${seconds(tookMs)} s, ideal ${seconds(idealMs)} s; keystrokes p99 ${round(p99Ms, 2)} ms, idle ${round(idleP99Ms, 2)} ms; server CPU ${seconds(after.cpuMs - before.cpuMs)} s`,
  );
  if (Math.max(mostAtOnce, seen.mostAtOnce) > maxConcurrent) say(`more at once than the limit of ${maxConcurrent}`);
  return {
    upgraded: counts.current,
    failed: counts.failed + counts.rolledBack,
    upgrade_s: seconds(tookMs),
    upgrade_time_ratio_ideal: round(tookMs / idealMs, 3),
    bandwidth_overshoot_percent: overshoot(swarm.mostBytesPerSecond),
    bandwidth_sent_overshoot_percent: overshoot(seen.sentPerSecond),
    payload_bytes_per_client: Math.round(payloadBytes),
    max_at_once: Math.max(mostAtOnce, seen.mostAtOnce),
    max_at_once_limit: maxConcurrent,
    echo_p99_idle_ms: round(idleP99Ms, 2),
    echo_p99_upgrade_ms: round(p99Ms, 2),
    echo_p99_ratio_idle: round(p99Ms / idleP99Ms, 2),
    upgrade_cpu_ms_per_client: round((after.cpuMs - before.cpuMs) / ALL, 2),
  };
}

/** Looks at the picture of the rollout until nobody is left. */
async function untilUpgraded(scene: FleetScene, startMs: number) {
  let mostAtOnce = 0;
  const sent: { atMs: number; bytes: number }[] = [];
  for (let looks = 1; ; looks += 1) {
    const last = await scene.rollout();
    const { counts } = last;
    sent.push({ atMs: last.nowMs, bytes: last.bytesSent });
    mostAtOnce = Math.max(mostAtOnce, counts.downloading + counts.restarting);
    if (looks % SAY_EVERY === 0) say(`${seconds(performance.now() - startMs)} s: ${inWords(last)}`);
    if (last.state === 'halted') throw new Error(`the rollout halted: ${last.halt?.text}`);
    if (counts.current + counts.failed + counts.rolledBack >= ALL)
      return { last, mostAtOnce, endMs: performance.now(), sentPerSecond: mostPerSecond(sent) };
    await delay(LOOK_MS);
  }
}

/** By the appliance's own count, over five seconds: what clients count is later when they are short of processors. */
function mostPerSecond(sent: { atMs: number; bytes: number }[]): number {
  let most = 0;
  let first = 0;
  for (const { atMs, bytes } of sent) {
    while (sent[first + 1] !== undefined && atMs - sent[first + 1]!.atMs >= BANDWIDTH_WINDOW_MS) first += 1;
    const from = sent[first]!;
    if (atMs - from.atMs >= BANDWIDTH_WINDOW_MS) most = Math.max(most, ((bytes - from.bytes) * 1000) / (atMs - from.atMs));
  }
  return most;
}

function inWords({ counts, bytesPerSecond }: Rollout): string {
  const { current, pending, absent, downloading, restarting, failed } = counts;
  return `${current} current, ${pending} pending (${absent} away), ${downloading} downloading, ${restarting} restarting, ${failed} failed, ${round(bytesPerSecond / 1e6, 1)} MB/s`;
}

/** SIGKILL of the site, and everybody comes back. */
async function measureStorm(scene: FleetScene, swarm: Swarm, echo: EchoMeter): Promise<Record<string, number>> {
  await delay(SETTLE_MS / 3);
  say('SIGKILL of the site ...');
  echo.begin();
  const killedMs = performance.now();
  await scene.appliance.kill('site');
  await swarm.untilBelow(SIMULATED);
  await swarm.until('connected', SIMULATED, CONNECT_LIMIT_MS);
  await allOnline(scene);
  const reconnectMs = performance.now() - killedMs;
  const p99Ms = await echo.p99();
  await delay(SETTLE_MS);
  return { reconnect_s: seconds(reconnectMs), storm_echo_p99_ms: round(p99Ms, 2) };
}

/** Until the site says that everybody is there, the live client too. */
async function allOnline(scene: FleetScene): Promise<void> {
  await waitUntil(
    'every client is online',
    async () => (await scene.site.call('GET', 'jump/items/search?online=true&limit=1', jumpItemsPage)).total === ALL + 1,
    CONNECT_LIMIT_MS,
  );
}

async function makeToken(scene: FleetScene): Promise<string> {
  const body = { name: 'fleet', validForHours: 1, uses: Math.max(1, SIMULATED), groupId: null, approveEach: false };
  return (await scene.site.call('POST', 'jump/tokens', createdInstallerToken, body)).secret;
}

/** What simulated clients say that they run: the same as a real one. */
function softwareOf(program: InstalledProgram) {
  const bundle = join(program.directory, 'bundles', must(program.text('current'), 'the current bundle'));
  const runtime = join(program.directory, 'runtimes', readFileSync(join(bundle, 'runtime.txt'), 'utf8').trim());
  const json = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  const { version, revision } = json(join(bundle, 'bascule-client.json'));
  const { sha256 } = json(join(runtime, 'bascule-runtime.json'));
  return { version, revision, bundle: readFileSync(join(bundle, 'archive.txt'), 'utf8').trim(), runtime: sha256 };
}

/** Of the Jump Client's next bundle, as it lies in the site's package: nearly all of what a client fetches. */
function archiveBytes(appliance: LaunchedAppliance): number {
  const [file] = globSync(join(appliance.home, 'software', 'site', '*', 'client', `jump-client-${NEW}.tar.zst`));
  return statSync(must(file, `the Jump Client ${NEW} in the site's package`)).size;
}

async function hold(scene: FleetScene): Promise<void> {
  say(`The upgrade has begun: ${scene.appliance.url}/login (admin, ${SITE_PASSWORD}). Press Enter to go on.`);
  const input = createInterface({ input: process.stdin });
  await once(input, 'line');
  input.close();
}

type ServerState = { cpuMs: number; rssBytes: number };

/** CPU (user and system) and memory of base and site main together. */
async function readServer(appliance: LaunchedAppliance): Promise<ServerState> {
  let cpuMs = 0;
  let rssBytes = 0;
  for (const program of ['base', 'site'] as const) {
    const pid = await appliance.pid(program);
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    cpuMs += (Number(fields[11]) + Number(fields[12])) * TICK_MS;
    rssBytes += Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
  }
  return { cpuMs, rssBytes };
}

/** The archive of the runtime, which both releases have, is made once. */
class SharedReleases implements Disposable {
  readonly #own: string | undefined;

  constructor() {
    if (process.env['BASCULE_TEST_RELEASES'] !== undefined) return;
    this.#own = mkdtempSync(join(tmpdir(), 'bascule-bench-releases-'));
    process.env['BASCULE_TEST_RELEASES'] = this.#own;
  }

  [Symbol.dispose](): void {
    if (this.#own !== undefined) rmSync(this.#own, { recursive: true, force: true });
  }
}

const startedMs = performance.now();
function say(line: string): void {
  process.stderr.write(`[${seconds(performance.now() - startedMs)} s] ${line}\n`);
}

function seconds(ms: number): number {
  return round(ms / 1000, 1);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
