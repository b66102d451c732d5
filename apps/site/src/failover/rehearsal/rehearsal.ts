/**
 * 'Test the standby' (B133) at the backup: a scratch copy is opened by a program of its own, for people and clients whom the primary has chosen, and ended when its time is over,
 * somebody says so, the primary looks no more, or roles change (docs/decisions/0250 to 0253). Upgrade plans try the copy without anybody (`run`).
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { RehearsalState } from '@bascule/protocol/api/failover.ts';
import {
  REHEARSAL_LIFE_MS,
  REHEARSAL_WATCH_LIMIT_MS,
  type RehearsalOrder,
  type RehearsalReport,
} from '@bascule/protocol/rehearsal.ts';
import { busy, noCopyYet, roleUnfit } from '../failover-errors.ts';
import type { Pair } from '../pair.ts';
import type { PairParts } from '../pair-parts.ts';
import { copyTestBegun, copyTestServes, copyTestStopped } from './rehearsal-events.ts';
import { keepAndErase } from './rehearsal-keeping.ts';
import { readRehearsal, writeRehearsal, type RehearsalRecord } from './rehearsal-records.ts';
import { NO_REHEARSAL, NO_REPORT, recordOf, reportOfRecord, reportOfRun, stateOfRun } from './rehearsal-report.ts';
import { RehearsalRun, type RunOrder } from './rehearsal-run.ts';
import { eraseScratch, eraseScratchKeys, hasScratch, scratchPaths } from './rehearsal-scratch.ts';
import { RehearsalTunnels } from './rehearsal-tunnels.ts';

/** A change of roles waits so long for the end of the test's program, which is killed. */
export const REHEARSAL_CUT_LIMIT_MS = 500;
const ROLES_CHANGED = 'The roles of the two appliances change, or what the standby holds is exchanged.';

export type OrderOf<K extends RehearsalOrder['kind']> = Extract<RehearsalOrder, { kind: K }>;
/** What the primary orders; the rest a backup asks of it. */
export type OrderOfPrimary = OrderOf<'begin' | 'look' | 'test-session' | 'end'>;

export interface RehearsalOptions {
  /** Throws `FAILOVER_NO_PAIR`. */
  pair(): Pair;
  /** What the page shows of it changed. */
  changed(): void;
  /** It has passed, or failed with `reason`: for the alarm. */
  ended(reason: string | undefined): void;
  log: Log;
  /** Shorter for tests. */
  watchLimitMs?: number | undefined;
}

export class Rehearsal {
  readonly #options: RehearsalOptions;
  readonly #tunnels: RehearsalTunnels;
  #run: RehearsalRun | undefined;
  /** Of the newest that is over, of this process. */
  #lastState: RehearsalState = NO_REHEARSAL;
  #lastReport: RehearsalReport = NO_REPORT;
  /** What an ended one left is kept, and erased. */
  #settling: Promise<void> = Promise.resolve();
  #toSettle = 0;
  #trying: Promise<void> | undefined;
  #life: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: RehearsalOptions) {
    this.#options = options;
    this.#tunnels = new RehearsalTunnels({
      socketOf: ({ rehearsal, to }) => {
        if (this.#run?.state !== 'open' || this.#run.order.rehearsal !== rehearsal) return undefined;
        const { mainSocket, relaySocket } = scratchPaths(this.#parts.config);
        return to === 'main' ? mainSocket : relaySocket;
      },
      log: options.log,
    });
  }

  /** For the page. */
  get state(): RehearsalState {
    return this.#run === undefined ? this.#lastState : stateOfRun(this.#run);
  }

  /** What a cut left of a test is kept and erased, in the background. At each start. */
  resume(): void {
    const { config } = this.#parts;
    if (hasScratch(config) || this.#unsettled() !== undefined) this.#settle(() => this.#settleLeft());
  }

  /** What the primary orders. Throws why not. */
  async order(order: OrderOfPrimary): Promise<RehearsalReport> {
    const { rehearsal } = order;
    if (order.kind === 'begin') this.#begin(order);
    const run = this.#run?.order.rehearsal === rehearsal ? this.#run : undefined;
    if (order.kind === 'look' && run !== undefined) this.#lookedAt(run, order.steps);
    if (order.kind === 'test-session') this.#beginTestSession(run);
    if (order.kind === 'end' && run !== undefined) await this.#end(run, `It was ended by ${order.by}.`);
    return this.#report(rehearsal);
  }

  /** Tries the standby's copy without anybody; one at a time. Throws `FAILOVER_ROLE_UNFIT` at whoever serves, `FAILOVER_NO_COPY`, `REHEARSAL_UNDER_WAY`, and what is wrong with the copy. */
  async run(): Promise<void> {
    this.#trying ??= this.#try().finally(() => (this.#trying = undefined));
    await this.#trying;
  }

  /** An unopened connection of a client with one of the ALPNs of tests. */
  takeLink(socket: Socket, head: Uint8Array, alpn: Parameters<NonNullable<RehearsalRun['child']>['sendLink']>[2]): void {
    if (this.#run?.state === 'open') this.#run.child?.sendLink(socket, head, alpn);
    else socket.destroy();
  }

  /** A person's connection, which the primary brings. */
  takeTunnel(request: IncomingMessage, link: Duplex, head: Buffer): void {
    this.#tunnels.take(request, link, head);
  }

  /** Before roles change: nothing of a test serves any more, and its program is gone, when this resolves; within REHEARSAL_CUT_LIMIT_MS. */
  async cut(reason = ROLES_CHANGED): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    const over = this.#end(run, reason, { atOnce: true });
    await Promise.race([over, delay(REHEARSAL_CUT_LIMIT_MS, undefined, { ref: false })]);
  }

  /** Something about the pair is other than it was: a test ends with the relationship in which it was begun. */
  pairChanged(): void {
    const run = this.#run;
    if (run === undefined || run.isEnding) return;
    const { records } = this.#parts;
    const isFit = isForPlan(run) ? !records.serves : records.self.role === 'backup' && records.isActive;
    if (!isFit) void this.#end(run, ROLES_CHANGED, { atOnce: true });
  }

  /** What is left of it is kept at the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.cut('The standby was ended.');
  }

  get #parts(): PairParts {
    return this.#options.pair().parts;
  }

  #begin(order: OrderOf<'begin'>): void {
    if (this.#run?.order.rehearsal === order.rehearsal) return;
    const { records, config } = this.#parts;
    if (readRehearsal(records.store)?.rehearsal === order.rehearsal) return;
    this.#checkBegin();
    if (records.self.role !== 'backup' || !records.isActive)
      throw roleUnfit(`${config.applianceName} is no backup in a relationship: there is no standby to test.`);
    const { busy: underWay } = this.#options.pair().exclusive;
    if (underWay !== null) throw busy(underWay.what);
    const run = this.#newRun(order);
    this.#lookedAt(run, []);
    void this.#serve(run);
  }

  async #serve(run: RehearsalRun): Promise<void> {
    const { records, config, log } = this.#parts;
    try {
      await this.#settling;
      await this.#settleLeft();
      if (run.isEnding) return;
      const { by, users, clients, rehearsal } = run.order;
      const names = (all: { name: string }[]) => all.map(({ name }) => name).join(', ');
      writeRehearsal(
        records.store,
        copyTestBegun({ by, users: names(users), clients: names(clients), rehearsal }),
        recordOf(run),
      );
      const preparing = run.prepare(this.#parts);
      run.prepared = preparing.catch(() => undefined);
      const { openMs, migrations } = await preparing;
      writeRehearsal(records.store, copyTestServes({ rehearsal, openMs, migrations }), recordOf(run));
      this.#life = setTimeout(() => void this.#end(run, 'Its time is over.'), run.endsAtMs - this.#parts.now()).unref();
      log.info({ rehearsal, openMs, migrations, appliance: config.applianceName }, 'failover.rehearsal-open');
    } catch (error) {
      if (!run.isEnding) log.error({ err: error }, 'failover.rehearsal-failed');
      void this.#end(run, messageOf(error), { hasFailed: true, atOnce: true });
    } finally {
      this.#options.changed();
    }
  }

  async #try(): Promise<void> {
    this.#checkBegin();
    const { publicHost, publicPort, hosts } = this.#parts.config;
    const rehearsal = randomBytes(16).toString('hex');
    const names = { publicHost, publicPort, hosts };
    const run = this.#newRun({ rehearsal, by: 'upgrade plan', users: [], clients: [], names, lifeMs: REHEARSAL_LIFE_MS });
    try {
      await this.#settling;
      await this.#settleLeft();
      if (run.isEnding) throw new Error(run.reason);
      const preparing = run.prepare(this.#parts);
      run.prepared = preparing.catch(() => undefined);
      await preparing;
      await this.#end(run, 'It was tried.');
    } catch (error) {
      this.#options.log.error({ err: error }, 'failover.rehearsal-failed');
      await this.#end(run, messageOf(error), { hasFailed: true, atOnce: true });
      throw error;
    } finally {
      await this.#settling;
    }
  }

  #checkBegin(): void {
    const { records, database } = this.#parts;
    if (records.serves) throw roleUnfit('A standby is tried at the standby: this appliance serves people and clients.');
    if (database.store === undefined) throw noCopyYet();
    // What one that is ending leaves is settled first.
    if (this.#run?.isEnding === false || this.#isClosed) throw underWay();
  }

  #newRun(order: RunOrder): RehearsalRun {
    const run: RehearsalRun = new RehearsalRun({
      order,
      startedAtMs: this.#parts.now(),
      changed: () => this.#options.changed(),
      gone: (why) => void this.#end(run, why, { hasFailed: true, atOnce: true }),
      log: this.#options.log,
    });
    this.#run = run;
    return run;
  }

  /** The primary is there: a test that nobody looks after ends by itself. */
  #lookedAt(run: RehearsalRun, steps: RehearsalRun['primarySteps']): void {
    run.primarySteps = steps;
    clearTimeout(this.#watch);
    if (run.isEnding) return;
    const limitMs = this.#options.watchLimitMs ?? REHEARSAL_WATCH_LIMIT_MS;
    this.#watch = setTimeout(() => void this.#end(run, 'The primary does not look after it any more.'), limitMs).unref();
  }

  #beginTestSession(run: RehearsalRun | undefined): void {
    if (run?.state !== 'open') throw roleUnfit('No test of the standby is open in which a test session could be made.');
    const { child } = run;
    if (child === undefined || run.steps.some(({ code, outcome }) => code === 'session' && outcome === 'running')) return;
    void run
      .step('session', 'A recorded session to one of the chosen Jump Clients', async () => {
        const { outcome, error } = await child.testSession();
        if (outcome === 'no-client') throw new Error('none of them is connected to the scratch copy');
        if (outcome === 'failed') throw new Error(error ?? 'it failed');
      })
      .catch((error: unknown) => this.#options.log.warn({ err: error }, 'failover.rehearsal-session-failed'));
  }

  /** Resolves when nothing of it serves any more; what it leaves is kept and erased behind. */
  #end(run: RehearsalRun, reason: string, { hasFailed = false, atOnce = false } = {}): Promise<void> {
    if (atOnce) run.child?.kill();
    if (run.over !== undefined) return run.over;
    run.state = 'ending';
    run.reason = reason;
    run.hasFailed = hasFailed;
    clearTimeout(this.#life);
    clearTimeout(this.#watch);
    this.#tunnels.close();
    run.over = (async () => await (atOnce ? run.child?.whenGone() : run.child?.end()))();
    this.#settle(() => this.#settleRun(run));
    this.#options.changed();
    return run.over;
  }

  #settle(work: () => Promise<void>): void {
    this.#toSettle += 1;
    this.#settling = this.#settling
      .then(work)
      .catch((error: unknown) => {
        // The next start goes on with it.
        if (this.#isClosed) return;
        this.#options.log.error({ err: error }, 'failover.rehearsal-not-settled');
        this.#options.ended(`What is to be kept of a test could not be archived: ${messageOf(error)}`);
        eraseScratchKeys(this.#parts.config);
      })
      .finally(() => (this.#toSettle -= 1));
  }

  async #settleRun(run: RehearsalRun): Promise<void> {
    await run.over;
    await run.prepared;
    if (this.#isClosed) return;
    try {
      const { records, config } = this.#parts;
      if (this.#unsettled()?.rehearsal === run.order.rehearsal) {
        const record = recordOf(run);
        const { rehearsal } = run.order;
        writeRehearsal(records.store, copyTestStopped({ rehearsal, reason: run.reason }), record);
        await keepAndErase(this.#parts, record);
      } else if (this.#unsettled() === undefined) await eraseScratch(config);
      const failedStep = run.steps.find(({ outcome }) => outcome === 'failed');
      if (run.hasFailed || failedStep !== undefined) this.#options.ended(run.hasFailed ? run.reason : failedStep?.text);
      else if (run.wasOpened) this.#options.ended(undefined);
    } finally {
      this.#lastState = stateOfRun(run);
      this.#lastReport = { ...reportOfRun(run), state: run.hasFailed ? 'failed' : 'closed' };
      if (this.#run === run) this.#run = undefined;
      this.#options.changed();
    }
  }

  /** What a cut, or a full disk, left of a test before. */
  async #settleLeft(): Promise<void> {
    const left = this.#unsettled();
    if (left === undefined) return await eraseScratch(this.#parts.config);
    await keepAndErase(this.#parts, { ...left, state: 'ending', reason: left.reason ?? 'The standby was started again.' });
  }

  #unsettled(): RehearsalRecord | undefined {
    const record = readRehearsal(this.#parts.records.store);
    return record === undefined || record.state === 'closed' ? undefined : record;
  }

  #report(rehearsal: string): RehearsalReport {
    if (this.#run?.order.rehearsal === rehearsal) return reportOfRun(this.#run);
    const record = readRehearsal(this.#parts.records.store);
    // It is over when the rest of it is erased.
    if (record?.rehearsal === rehearsal) return { ...reportOfRecord(record), ...(this.#toSettle > 0 && { state: 'ending' }) };
    // One that ended before anything of it was made.
    return this.#lastReport.rehearsal === rehearsal ? this.#lastReport : NO_REPORT;
  }
}

function isForPlan(run: RehearsalRun): boolean {
  return run.order.users.length === 0;
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 500);
}

function underWay(): AppError {
  return new AppError(
    'conflict',
    'REHEARSAL_UNDER_WAY',
    'A test of the standby is under way already: end it first, or wait until it is over.',
    {
      retryAfterSeconds: 5,
    },
  );
}
