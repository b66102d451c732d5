import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { newId } from '@bascule/core/ids.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { AnyRoute } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { BoxAnswer, Plan, PlanKind, PlansState } from '@bascule/protocol/api/plans.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import type { SiteHost } from '../site-host/site-host.ts';
import type { Software } from '../software/software.ts';
import { BoxAnswers } from './box-answers.ts';
import { planControlVerbs, type PlanControlVerbs } from './plan-control.ts';
import type { Input, PlanRecord } from './plan-contract.ts';
import { isOver } from './plan-state.ts';
import { planEnded, planMade } from './plan-events.ts';
import { acceptedBy, newRecord, openAgreements } from './plan-facts.ts';
import { PlanJournal } from './plan-journal.ts';
import { mayServe, softwareOf, type PlanPorts } from './plan-ports.ts';
import { isOwnAddress } from './own-address.ts';
import { planRoutes } from './plan-routes.ts';
import { PlanRunner } from './plan-runner.ts';
import { isUnderWay, PeerPlan, shownPlan } from './plan-shown.ts';
import { ServiceMeter } from './service-meter.ts';
import { perform } from './step-procedures.ts';
import { unavailableKinds } from './unavailable-kinds.ts';

export { planMigrations } from './plan-migrations.ts';

/** The peer is shown the plan at most this often, and at least so often while it is under way. */
export const SHOW_AFTER_MS = 500;
export const SHOW_EVERY_MS = 5_000;
/** After its end it is shown for so long: the other side may be away just then. */
export const SHOW_END_FOR_MS = 2 * 60_000;

export interface PlansOptions {
  store: Store;
  applianceName: string;
  host: Pick<
    SiteHost,
    'pairDo' | 'askPeer' | 'onPeerAsks' | 'pairState' | 'ready' | 'testSession' | 'sitePreflight' | 'fleet' | 'makeBackup'
  >;
  software: Software;
  /** The address by which people and clients reach the appliance: `https://name:port`. */
  publicUrl: string;
  /** The folder of what lives only as long as the appliance runs. */
  runDir: string;
  /** Consumers that connect by IP address (B135). */
  consumersByAddress(): PlanRecord['consumersByAddress'];
  /** The box's addresses, for the other base. */
  addresses(): NonNullable<BoxAnswer['addresses']>;
  /** What the box serves for these names, for the other base. */
  certificates(names: readonly string[]): NonNullable<BoxAnswer['certificates']>;
  log: Log;
  now?: () => number;
}

type Order = Exclude<Input, { kind: 'performed' | 'restarted' }>;

/** Upgrade plans of this appliance and, shown, of its peer. What the rest of base sees of the domain. */
export class Plans extends EventEmitter<{ change: [] }> {
  readonly #options: PlansOptions;
  readonly #now: () => number;
  readonly #journal: PlanJournal;
  readonly #answers: BoxAnswers;
  readonly #ports: PlanPorts;
  readonly #meter: ServiceMeter;
  readonly #peerPlan: PeerPlan;
  #runner: PlanRunner | undefined;
  #isMaking = false;
  #showTimer: NodeJS.Timeout | undefined;
  #showAtMs = 0;
  #isClosed = false;

  constructor(options: PlansOptions) {
    super();
    // Bounded by the connections of the control socket.
    this.setMaxListeners(0);
    this.#options = options;
    const { store, software, host, addresses, certificates, runDir, publicUrl } = options;
    this.#now = options.now ?? Date.now;
    this.#journal = new PlanJournal(store);
    this.#peerPlan = new PeerPlan(join(runDir, 'peer-plan.json'), this.#now);
    this.#meter = new ServiceMeter({
      url: `${publicUrl}/login`,
      file: join(runDir, 'plan-service.json'),
      serves: () => mayServe(host.pairState?.role ?? null),
      isProof: (address) => mayServe(host.pairState?.role ?? null) || !isOwnAddress(address, addresses()),
      now: this.#now,
    });
    this.#answers = new BoxAnswers({
      store,
      software: answering(software),
      host,
      addresses,
      certificates,
      onPlanShown: (_peer, plan) => {
        if (this.#peerPlan.take(plan)) this.emit('change');
      },
      now: this.#now,
    });
    this.#ports = {
      ask: (party, question) =>
        party === 'self' ? this.#answers.answer(options.applianceName, question) : host.askPeer(question),
      pairDo: (plan, step, order) => host.pairDo(plan, step, order),
      withoutServiceMs: () => this.#meter.totalMs(),
      serviceAsked: () => this.#meter.asked(),
      now: this.#now,
    };
    host.onPeerAsks((peer, question) => this.#answers.answer(peer, question));
    software.holdUnattended(() => this.isUnderWay());
  }

  /** After the site was started: goes on with the plan that a restart cut. */
  resume(): void {
    const open = this.#journal.open();
    if (open === undefined) return;
    this.#runner = this.#makeRunner(open.id, open.record);
    if (open.record.startedAtMs !== null) this.#meter.start(open.id);
    this.#runner.resume();
    this.#show(SHOW_AFTER_MS);
  }

  /** Base goes down: the plan goes on in the next one. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#showTimer);
    this.#runner?.close();
    this.#meter.stop();
  }

  routes(): AnyRoute[] {
    return planRoutes(this);
  }

  controlVerbs(): PlanControlVerbs {
    return planControlVerbs(this);
  }

  /** Whether a plan is at work on this appliance, its own or the peer's. */
  isUnderWay(): boolean {
    const runner = this.#runner;
    const own = runner !== undefined && isUnderWay(shownPlan(runner.id, '', runner.record));
    return own || this.#peerPlan.isUnderWay();
  }

  /** All that the page and the command line show. */
  state(): PlansState {
    const { applianceName, host, software } = this.#options;
    const own = this.#runner === undefined ? undefined : this.#shown(this.#runner.id, this.#runner.record);
    const peer = this.#peerPlan.latest();
    const newest = this.#journal.newest();
    const candidates = [own, peer, newest && this.#shown(newest.id, newest.record)].filter((plan) => plan !== undefined);
    const current = candidates.find(isUnderWay) ?? own ?? candidates.toSorted((a, b) => b.createdAtMs - a.createdAtMs)[0];
    return {
      nowMs: this.#now(),
      applianceName,
      current: current ?? null,
      earlier: this.#journal.ended(),
      unavailable: unavailableKinds({
        pair: host.pairState,
        underWay: [own, peer].find((plan) => plan !== undefined && isUnderWay(plan)),
        hasPackages: software.next().length > 0,
      }),
    };
  }

  /** The plan of this id, own ones and the peer's. Throws NOT_FOUND. */
  plan(id: string): Plan {
    if (this.#runner?.id === id) return this.#shown(id, this.#runner.record);
    const stored = this.#journal.get(id);
    if (stored !== undefined) return this.#shown(id, stored.record);
    const peer = this.#peerPlan.latest();
    if (peer?.id === id) return peer;
    throw new AppError('not-found', 'PLAN_UNKNOWN', 'There is no such upgrade plan; reload the page.');
  }

  /** Makes a plan and shows it; nothing is done yet. One that was shown and not started gives way. Throws `PLAN_*` with the reason. */
  async make(by: Context, kind: PlanKind, targets?: string[]): Promise<Plan> {
    this.#assertMayMake();
    this.#isMaking = true;
    try {
      const { applianceName, consumersByAddress } = this.#options;
      const nowMs = this.#now();
      const id = newId('upgradePlan', nowMs);
      const record = await newRecord({
        kind,
        targets,
        applianceName,
        ports: this.#ports,
        journal: this.#journal,
        plan: id,
        by: by.actor.name,
        consumersByAddress: consumersByAddress(),
        nowMs,
      });
      this.#assertMayMake(true);
      this.#withdrawShown(by);
      const appliances = record.sides.map(({ appliance }) => appliance).join(', ');
      this.#journal.write(by, planMade({ plan: id, planKind: kind, appliances }), { id, record });
      this.#runner = this.#makeRunner(id, record);
      this.#changed();
      return this.#shown(id, record);
    } finally {
      this.#isMaking = false;
    }
  }

  /** Starts the plan, or goes on with it. Throws what the core refuses, and `PLAN_AGREEMENT` while a licence agreement is not accepted. */
  async run(by: Context, id: string, { through, overrule }: { through: boolean; overrule: string[] }): Promise<void> {
    const runner = this.#own(id);
    if (runner.record.core.mode === 'shown') await this.#assertAgreed(runner.record);
    if (this.#own(id) !== runner) return;
    this.#order(by, runner, { kind: 'run', through, overrule, atMs: this.#now() });
    if (!isOver(runner.record.core)) this.#meter.start(id);
  }

  /** A person has looked at step `number`. */
  confirm(by: Context, id: string, number: number): void {
    this.#order(by, this.#own(id), { kind: 'confirm', number, atMs: this.#now() });
  }

  pause(by: Context, id: string): void {
    this.#order(by, this.#own(id), { kind: 'pause', atMs: this.#now() });
  }

  /** Takes back what was done, step by step. Throws `PLAN_NO_WAY_BACK`. */
  cancel(by: Context, id: string): void {
    this.#order(by, this.#own(id), { kind: 'cancel', atMs: this.#now() });
  }

  /** Ends a paused plan as it is: what is left is done by hand. */
  giveUp(by: Context, id: string): void {
    this.#order(by, this.#own(id), { kind: 'give-up', atMs: this.#now() });
  }

  #order(by: Context, runner: PlanRunner, order: Order): void {
    runner.order(by, order);
  }

  #own(id: string): PlanRunner {
    if (this.#runner?.id === id) return this.#runner;
    const { runner } = this.plan(id);
    if (runner !== this.#options.applianceName)
      throw new AppError('conflict', 'PLAN_ELSEWHERE', `This plan runs on ${runner}: change it there.`);
    throw new AppError('conflict', 'PLAN_OVER', 'This plan has ended; make a new one.');
  }

  #assertMayMake(isMaking = false): void {
    if (this.#runner !== undefined && this.#runner.record.core.mode !== 'shown')
      throw new AppError('conflict', 'PLAN_UNDER_WAY', 'A plan is under way: continue it, cancel it, or give it up first.');
    if (this.#peerPlan.isUnderWay())
      throw new AppError(
        'conflict',
        'PLAN_ELSEWHERE',
        `A plan is under way on ${this.#peerPlan.latest()?.runner ?? 'the other appliance'}.`,
      );
    if (this.#isMaking && !isMaking)
      throw new AppError('conflict', 'PLAN_BEING_MADE', 'A plan is being made just now; wait a moment.');
  }

  async #assertAgreed(record: PlanRecord): Promise<void> {
    const own = await softwareOf(this.#ports, 'self');
    Object.assign(record.acceptedBy, acceptedBy(own));
    const open = openAgreements(record, own).map(({ kind, version }) => `${kind} ${version}`);
    if (open.length > 0)
      throw new AppError(
        'conflict',
        'PLAN_AGREEMENT',
        `Accept the licence agreement of ${open.join(' and ')} first: /appliance > Updates > Upgrade plans shows it.`,
        { params: { targets: open.join(', ') } },
      );
  }

  /** One that nobody started makes room for another. */
  #withdrawShown(by: Context): void {
    const runner = this.#runner;
    if (runner === undefined) return;
    const { kind, core } = runner.record;
    runner.close();
    const record: PlanRecord = { ...runner.record, endedAtMs: this.#now(), core: { ...core, mode: 'cancelled' } };
    this.#journal.write(by, planEnded({ plan: runner.id, planKind: kind, outcome: 'cancelled' }), { id: runner.id, record });
    this.#runner = undefined;
  }

  #makeRunner(id: string, record: PlanRecord): PlanRunner {
    const { log } = this.#options;
    return new PlanRunner({
      plan: { id, record },
      journal: this.#journal,
      ports: this.#ports,
      perform,
      onChange: () => this.#changed(),
      log,
      now: this.#now,
    });
  }

  #changed(): void {
    const runner = this.#runner;
    if (runner !== undefined && isOver(runner.record.core)) {
      this.#meter.end();
      this.#runner = undefined;
    }
    this.emit('change');
    this.#show(SHOW_AFTER_MS);
  }

  /** Shows the peer what this side's plan looks like, soon, and again as long as it may matter. */
  #show(afterMs: number): void {
    if (this.#isClosed) return;
    const atMs = this.#now() + afterMs;
    // What has changed is not shown as late as what has not.
    if (this.#showTimer !== undefined && this.#showAtMs <= atMs) return;
    clearTimeout(this.#showTimer);
    this.#showAtMs = atMs;
    this.#showTimer = setTimeout(() => {
      this.#showTimer = undefined;
      const newest = this.#runner ?? this.#journal.newest();
      // Also while the plan has broken the relationship: the link stays.
      if (newest === undefined || newest.record.sides.length < 2) return;
      const shown = this.#shown(newest.id, newest.record);
      void this.#options.host.askPeer({ kind: 'plan-shown', plan: shown }).catch(() => undefined);
      const endedMsAgo = shown.endedAtMs === null ? 0 : this.#now() - shown.endedAtMs;
      if (endedMsAgo < SHOW_END_FOR_MS) this.#show(SHOW_EVERY_MS);
    }, afterMs).unref();
  }

  #shown(id: string, record: PlanRecord): Plan {
    const open = record.core.mode === 'shown' ? openAgreements(record, { installable: this.#options.software.next() }) : [];
    return shownPlan(id, this.#options.applianceName, record, open);
  }
}

/** What the answers need of the domain `software`. */
function answering(software: Software): ConstructorParameters<typeof BoxAnswers>[0]['software'] {
  const { updates, engine } = software;
  return {
    next: () => software.next(),
    describe: (target) => updates.offers().find((offer) => offer.target === target)?.manifest,
    check: (by) => updates.check(by),
    acceptEula: (by, target, name) => updates.acceptEula(by, { target, sha256: updates.eula(target).sha256, name }),
    install: (by, target, overrule) => software.install(by, target, overrule),
    snapshot: (plan) => software.snapshot(plan),
    engine,
  };
}
