/** What an upgrade plan of base has this side do with its pair (base-site `pair-do`): each order once, by plan and step; what takes longer goes on, and is asked for again. */
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '@bascule/errors/app-error.ts';
import type { PairOrder } from '@bascule/protocol/base-site.ts';
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import { planReport } from '@bascule/protocol/api/plans.ts';
import { SiteIdentity } from '../jump/jump.ts';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { endMove, recordingsLeft } from './move-orders.ts';
import { roleUnfit } from './failover-errors.ts';
import type { Pair } from './pair.ts';
import { changesAnswer, findParting } from './side-changes.ts';

/** An order that takes no longer is answered with its outcome at once. */
const QUICK_MS = 500;
/** Orders whose outcome is remembered; a plan has some tens. */
const ORDERS_MAX = 200;
const HOUR_MS = 60 * 60_000;
const WEEK_HOURS = 7 * 24;
const QUIET_WEEKS = 4;
/** The two sides are compared anew so often when changes came between. */
const COMPARE_TRIES = 3;

/** What an order of a plan came to (base-site `pair-done`). */
export interface PairDone {
  outcome: 'done' | 'running' | 'failed';
  error?: string;
  result?: unknown;
}

/** Asked anew each time: they change nothing. */
const FRESH: ReadonlySet<PairOrder['kind']> = new Set(['state', 'quiet-hours', 'sign', 'recordings-left']);

interface Given {
  order: string;
  done: PairDone | undefined;
  work: Promise<PairDone>;
}

export interface PairOrdersOptions {
  pair(): Promise<Pair>;
  state(): Promise<FailoverState>;
  rehearse(): Promise<unknown>;
  keysDir: string;
}

export class PairOrders {
  readonly #options: PairOrdersOptions;
  readonly #given = new Map<string, Given>();

  constructor(options: PairOrdersOptions) {
    this.#options = options;
  }

  /** Never throws: what is refused is `failed`, with the reason. */
  async give(plan: string, step: number, order: PairOrder): Promise<PairDone> {
    const fresh = FRESH.has(order.kind);
    if (fresh) return await this.#outcome(order, plan);
    const name = `${plan}/${step}`;
    const text = JSON.stringify(order);
    let given = this.#given.get(name);
    // A failed one is given again by being asked for again.
    if (given === undefined || given.order !== text || given.done?.outcome === 'failed')
      given = this.#begin(name, text, order, plan);
    const slow = delay(QUICK_MS, undefined, { ref: false });
    return (
      (await Promise.race([given.work, slow])) ?? { outcome: 'running', result: (await this.#options.pair()).exclusive.busy }
    );
  }

  #begin(name: string, text: string, order: PairOrder, plan: string): Given {
    const given: Given = { order: text, done: undefined, work: this.#outcome(order, plan) };
    void given.work.then((done) => (given.done = done));
    this.#given.set(name, given);
    const [oldest] = this.#given.keys();
    if (this.#given.size > ORDERS_MAX && oldest !== undefined) this.#given.delete(oldest);
    return given;
  }

  async #outcome(order: PairOrder, plan: string): Promise<PairDone> {
    try {
      return { outcome: 'done', result: await this.#do(order, plan) };
    } catch (error) {
      const pair = await this.#options.pair();
      if (!(error instanceof AppError)) pair.parts.log.error({ err: error, order: order.kind }, 'failover.order-failed');
      return { outcome: 'failed', error: error instanceof Error ? error.message : String(error) };
    }
  }

  async #do(order: PairOrder, plan: string): Promise<unknown> {
    const context = byPlan(plan);
    const pair = await this.#options.pair();
    const own = pair.parts.config.applianceName;
    switch (order.kind) {
      case 'state':
        return await this.#options.state();
      case 'sync-now':
        return await pair.syncNow();
      case 'break':
        return await pair.roles.breakUp(context, { isForPlan: order.isLasting !== true });
      case 'establish-again':
        if (order.primary !== own) return await pair.askPeerTo('establish-again');
        return await pair.roles.establishAgain(context);
      case 'swap':
        return await swap(pair, context, order.primary === own);
      case 'pull-changes':
        return order.into === own ? await pullChanges(pair) : await pair.askPeerTo('pull');
      case 'compare':
        return pair.parts.records.serves ? await compare(pair) : await pair.askPeerTo('compare');
      case 'take-key':
        return await pair.preSharedKey.lend(context, order.key);
      case 'put-key-back':
        return await pair.preSharedKey.putBack(context);
      case 'establish':
        return await pair.establish(context, order.request);
      case 'end-move':
        return await endMove(pair, context, order.moved);
      case 'recordings-left':
        return await recordingsLeft(pair);
      case 'rehearse':
        return await this.#options.rehearse();
      case 'sign':
        return await signReport(this.#options.keysDir, plan, order.statement);
      case 'quiet-hours':
        return { sessionsByHour: quietHours(pair) };
    }
  }
}

function byPlan(plan: string): Context {
  return { ...SYSTEM, actor: { ...SYSTEM.actor, name: `upgrade plan ${plan}`.slice(0, 200) } };
}

async function swap(pair: Pair, context: Context, isOwn: boolean): Promise<void> {
  const { serves } = pair.parts.records;
  if (isOwn === serves) return;
  if (isOwn) await pair.roles.becomePrimary(context, { pullFirst: true });
  else await pair.roles.becomeBackup(context, { evenIfUnreachable: false });
}

/** What the other side changed since the break comes here if this side changed nothing; else what stays there is named. */
export async function pullChanges(pair: Pair): Promise<{ left: string[] }> {
  const { records, dial, database } = pair.parts;
  if (!records.serves) {
    await pair.roles.handOver.pull();
    return { left: [] };
  }
  if (database.store === undefined) return { left: [] };
  // Both went on by themselves: configuration is not mixed, and what stays behind is listed by name.
  const parting = (await findParting(dial, database.store)) ?? 0;
  const { body } = await dial.request('POST', '/changes', { seq: parting });
  const { events } = changesAnswer.parse(body);
  return { left: events.map(({ actor, summary }) => `${summary} (${actor})`) };
}

/** Hashes of all tables on both sides, at one entry. Throws when they differ, or cannot be compared. */
export async function compare(pair: Pair): Promise<void> {
  for (let tries = 0; tries < COMPARE_TRIES; tries += 1) if (await pair.compareNow()) return;
  throw roleUnfit('The two sides could not be compared: changes came between each time. Try again.');
}

/** Signs the report of this plan, and nothing else: the site identity signs statements of other kinds too. Throws `PLAN_REPORT_INVALID`. */
export async function signReport(
  keysDir: string,
  plan: string,
  statement: string,
): Promise<{ signature: string; certificate: string }> {
  const report = planReport.safeParse(jsonOf(statement));
  if (!report.success || report.data.plan !== plan)
    throw new AppError(
      'invalid',
      'PLAN_REPORT_INVALID',
      'What is to be signed is not the report of this upgrade plan, so it is not signed.',
    );
  const identity = await SiteIdentity.open({ keysDir });
  const signature = Buffer.from(identity.sign(Buffer.from(statement, 'utf8'))).toString('base64');
  return { signature, certificate: identity.certificatePem };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** How many sessions ran in each hour of the week, of the last four weeks (B123). */
function quietHours(pair: Pair): number[] {
  const { database, now } = pair.parts;
  const hours = Array.from({ length: WEEK_HOURS }, () => 0);
  const fromMs = now() - QUIET_WEEKS * WEEK_HOURS * HOUR_MS;
  const rows =
    database.store?.all<{ startedAtMs: number; endedAtMs: number | null }>(
      'SELECT started_at_ms AS startedAtMs, ended_at_ms AS endedAtMs FROM access_sessions WHERE coalesce(ended_at_ms, ?) >= ?',
      now(),
      fromMs,
    ) ?? [];
  for (const { startedAtMs, endedAtMs } of rows) {
    const first = Math.floor(Math.max(startedAtMs, fromMs) / HOUR_MS);
    const last = Math.min(Math.floor((endedAtMs ?? now()) / HOUR_MS), first + QUIET_WEEKS * WEEK_HOURS);
    for (let hour = first; hour <= last; hour += 1) {
      const at = hourOfWeek(hour * HOUR_MS);
      hours[at] = (hours[at] ?? 0) + 1;
    }
  }
  return hours;
}

/** From Sunday 00:00, UTC. */
function hourOfWeek(atMs: number): number {
  const date = new Date(atMs);
  return date.getUTCDay() * 24 + date.getUTCHours();
}
