/**
 * `failover`: two appliances, a witness and the machine of people and clients, each a network namespace on one bridge, with a shared address. Roles are changed by a person
 * (planned), and by SIGKILL, SIGSTOP and a cut cable of the primary; 50 sessions are typed in all the time, simulated Jump Clients hold links, and changes are made. Beside it
 * keepalived (advert_int 1) moves an address between the same machines.
 *
 * Needs root. BASCULE_BENCH_CLIENTS: simulated clients (1000). BASCULE_BENCH_SESSIONS: sessions (50).
 */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { pairSettings } from '@bascule/protocol/api/failover.ts';
import { jumpItemsPage } from '@bascule/protocol/api/jump.ts';
import { NetworkPair, SHARED_ADDRESS } from '@bascule/testkit/network-pair.ts';
import { whyNoNetworkScene } from '@bascule/testkit/network-scene.ts';
import type { PairSide } from '@bascule/testkit/pair-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { ChangeWriter } from './failover-changes.ts';
import { measureKeepalived } from './failover-keepalived.ts';
import { ensurePackages } from './failover-packages.ts';
import { Crowd } from './failover-people.ts';
import { monotonicMs, ServiceWatch } from './failover-service.ts';

const CLIENTS = Number(process.env['BASCULE_BENCH_CLIENTS'] ?? 1000);
const SESSIONS = Number(process.env['BASCULE_BENCH_SESSIONS'] ?? 50);
const PLANNED_SWAPS = 2;
/** Something is typed, changed and answered before the fault, so that there is something to lose. */
const BEFORE_MS = 2000;
const ROLE_LIMIT_MS = 60_000;
const BACK_LIMIT_MS = 120_000;
/** How long the backup is away in which the primary goes on alone. */
const ALONE_MS = 3000;

type Fault = 'planned' | 'kill' | 'stop' | 'cut';
interface Measured {
  serviceMs: number;
  keyGapMs: number;
  backMs: number;
  changesLost: number;
}

/** Gives the figures of bench/RESULTS.md. */
export async function run(): Promise<Record<string, number>> {
  const why = whyNoNetworkScene();
  if (why !== undefined) throw new Error(`This benchmark needs machines of its own: ${why}.`);
  await ensurePackages({ keepalived: 'keepalived', arping: 'iputils-arping' });
  say('two appliances, a witness, a machine of clients ...');
  await using scene = await NetworkPair.start();
  try {
    return await measure(scene);
  } catch (error) {
    for (const side of scene.pair.sides) {
      await side.appliance.signalAll('SIGCONT');
      say(`${side.name}: ${side.appliance.logTail()}`);
    }
    throw error;
  }
}

async function measure(scene: NetworkPair): Promise<Record<string, number>> {
  await scene.shareAddress();
  await scene.pair.establish();
  await scene.useWitness();
  say(`established; ${SESSIONS} sessions and ${CLIENTS} clients ...`);
  await using crowd = await Crowd.come(scene, { sessions: SESSIONS, clients: CLIENTS, say });
  using watch = new ServiceWatch(scene.network, 'c', ['site', SHARED_ADDRESS, new URL(scene.url).port, crowd.api.cookie]);
  const bench = new Bench(scene, crowd, watch);

  const planned: Measured[] = [];
  for (let swap = 0; swap < PLANNED_SWAPS; swap += 1) planned.push(await bench.fault('planned'));
  const kill = await bench.fault('kill');
  const stop = await bench.fault('stop');
  const cut = await bench.fault('cut');
  await bench.setMode('sync');
  const killInSync = await bench.fault('kill');
  await bench.setMode('async');
  say('what everybody holds is compared ...');
  const { sessionsLost, bytesLost } = await crowd.finish();
  const alone = await bench.takeOverWithLoss();
  say('keepalived ...');
  const keepalived = await measureKeepalived(scene.network);
  const unplanned = [kill, stop, cut, killInSync];
  const worst = (of: Measured[], what: keyof Measured) => Math.round(Math.max(...of.map((measured) => measured[what])));
  return {
    planned_ms: worst(planned, 'serviceMs'),
    unplanned_ms: worst(unplanned, 'serviceMs'),
    kill_ms: Math.round(kill.serviceMs),
    stop_ms: Math.round(stop.serviceMs),
    cut_ms: Math.round(cut.serviceMs),
    kill_sync_ms: Math.round(killInSync.serviceMs),
    sessions: SESSIONS,
    key_gap_planned_ms: worst(planned, 'keyGapMs'),
    key_gap_unplanned_ms: worst(unplanned, 'keyGapMs'),
    sessions_lost: sessionsLost,
    bytes_lost: bytesLost,
    changes_lost_planned: planned.reduce((sum, { changesLost }) => sum + changesLost, 0),
    changes_lost_sync: killInSync.changesLost,
    // By the faults that struck while the backup followed.
    changes_lost_following: [kill, stop, cut].reduce((sum, { changesLost }) => sum + changesLost, 0),
    changes_lost_async: alone.lost,
    changes_predicted_async: alone.predicted,
    clients: CLIENTS,
    clients_back_s: seconds(Math.max(...[...planned, ...unplanned].map(({ backMs }) => backMs))),
    clients_back_planned_s: seconds(Math.max(...planned.map(({ backMs }) => backMs))),
    keepalived_ms: Math.round(Math.max(keepalived.cutMs, keepalived.killMs)),
    keepalived_cut_ms: Math.round(keepalived.cutMs),
    keepalived_kill_ms: Math.round(keepalived.killMs),
  };
}

class Bench {
  readonly #scene: NetworkPair;
  readonly #crowd: Crowd;
  readonly #watch: ServiceWatch;

  constructor(scene: NetworkPair, crowd: Crowd, watch: ServiceWatch) {
    this.#scene = scene;
    this.#crowd = crowd;
    this.#watch = watch;
  }

  async setMode(mode: 'async' | 'sync'): Promise<void> {
    await this.#crowd.api.call('PUT', 'failover/settings', pairSettings, { mode });
  }

  /** Has the other side take over, and puts everything back. */
  async fault(how: Fault): Promise<Measured> {
    const { pair } = this.#scene;
    const from = await this.#rested();
    const to = pair.other(from);
    using writer = await ChangeWriter.start(this.#crowd.writer);
    await delay(BEFORE_MS);
    this.#crowd.takeLongestGapMs();
    const faultMs = monotonicMs();
    await this.#strike(how, from, to);
    await waitUntil('the other side is primary', async () => (await to.state()).self.role === 'primary', ROLE_LIMIT_MS);
    await this.#watch.answered(monotonicMs(), ROLE_LIMIT_MS);
    await this.#clientsBack(to);
    const backMs = monotonicMs() - faultMs;
    const changesLost = await writer.lost(this.#crowd.writer);
    await this.#crowd.typingGoesOn();
    const measured = {
      serviceMs: this.#watch.longestGapMs(faultMs),
      keyGapMs: this.#crowd.takeLongestGapMs(),
      backMs,
      changesLost,
    };
    say(`${how}: ${JSON.stringify(measured, (_, value: unknown) => (typeof value === 'number' ? Math.round(value) : value))}`);
    await this.#mend(how, from);
    return measured;
  }

  /** The backup is cut off while changes are made, and the primary dies before it is back: a person takes over with the loss that the page foretold. */
  async takeOverWithLoss(): Promise<{ lost: number; predicted: number }> {
    const from = await this.#rested();
    const to = this.#scene.pair.other(from);
    using writer = await ChangeWriter.start(this.#crowd.writer);
    this.#scene.network.setCable(to.name, false);
    await delay(ALONE_MS);
    await writer.stop();
    const foretold = (await from.state()).exposure;
    await from.appliance.die();
    // What its kernel still holds for the other dies with a machine.
    this.#scene.network.setCable(from.name, false);
    // The page counts every change, also those that nobody but the site made.
    const lost = newestChange(from) - newestChange(to);
    this.#scene.network.setCable(to.name, true);
    await waitUntil(
      'a person may take over',
      async () => {
        const { self, exposure, peerState } = await to.state();
        if (self.role === 'primary') return true;
        if (peerState !== 'unreachable' || exposure === null) return false;
        // The page counts the seconds on; who says how much is accepted has read it before.
        const acceptedLoss = { changes: exposure.changes, seconds: exposure.seconds + ROLE_LIMIT_MS / 1000 };
        await to.act('become-primary', { pullFirst: false, acceptedLoss });
        return (await to.state()).self.role === 'primary';
      },
      ROLE_LIMIT_MS,
    );
    await this.#watch.answered(monotonicMs(), ROLE_LIMIT_MS);
    say(`alone: ${lost} changes lost, ${foretold?.changes} foretold`);
    return { lost, predicted: foretold?.changes ?? 0 };
  }

  /** Everything is as it should be: gives the primary. */
  async #rested(): Promise<PairSide> {
    const from = await this.#scene.primary();
    await this.#scene.pair.caughtUp(from);
    await from.until('the witness knows that its backup has everything', ({ witness }) => witness?.peerInSync === true);
    await this.#clientsBack(from);
    return from;
  }

  async #strike(how: Fault, from: PairSide, to: PairSide): Promise<void> {
    if (how === 'planned') await to.act('become-primary', { pullFirst: true });
    else if (how === 'kill') await from.appliance.die();
    else if (how === 'stop') await from.appliance.signalAll('SIGSTOP');
    else this.#scene.network.setCable(from.name, false);
  }

  async #mend(how: Fault, from: PairSide): Promise<void> {
    if (how === 'kill') {
      from.appliance.startBoot();
      await from.appliance.ready();
    } else if (how === 'stop') await from.appliance.signalAll('SIGCONT');
    else if (how === 'cut') this.#scene.network.setCable(from.name, true);
    await from.until('is the backup', ({ self }) => self.role === 'backup');
  }

  /** By the primary's own word. */
  async #clientsBack(primary: PairSide): Promise<void> {
    await waitUntil(
      'every client is back',
      async () => {
        const { total } = await primary.site.call('GET', 'jump/items/search?online=true&limit=1', jumpItemsPage);
        return total >= this.#crowd.clients;
      },
      BACK_LIMIT_MS,
    );
  }
}

/** Of its change log, on the disk. */
function newestChange({ appliance }: PairSide): number {
  const database = new DatabaseSync(appliance.paths.site.database, { readOnly: true });
  try {
    return Number(database.prepare('SELECT max(seq) AS seq FROM change_log').get()?.['seq']);
  } finally {
    database.close();
  }
}

const startedMs = performance.now();
function say(line: string): void {
  process.stderr.write(`[${seconds(performance.now() - startedMs)} s] ${line}\n`);
}

function seconds(ms: number): number {
  return Number((ms / 1000).toFixed(1));
}
