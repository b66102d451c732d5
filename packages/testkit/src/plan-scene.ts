/** A failover pair under a shared address, which an upgrade plan takes from one release to the next, and what is looked at meanwhile. */
import { createServer } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { EstablishRequest, FailoverState } from '@bascule/protocol/api/failover.ts';
import {
  plan as planShape,
  planReport,
  plansState,
  type Plan,
  type PlanKind,
  type PlanReport,
} from '@bascule/protocol/api/plans.ts';
import { ApiClient, ApiFailure } from './api-client.ts';
import { PairScene, type PairSide } from './pair-scene.ts';
import { SharedAddress } from './shared-address.ts';
import { TypingSession } from './typing-session.ts';
import { BOX_PASSWORD, SITE_PASSWORD, UpgradeScene } from './upgrade-scene.ts';
import { waitUntil } from './wait-until.ts';

const SHARED = '127.0.0.9';
const PORTS = { from: 20_000, below: 32_000 };
const WATCH_EVERY_MS = 200;
/** A plan of two appliances, each of which gets base and site, on a machine that does much else. */
export const PLAN_LIMIT_MS = 6 * 60_000;
const MACHINE = 'far';

export class PlanScene implements AsyncDisposable {
  readonly pair: PairScene;
  readonly shared: SharedAddress;
  /** At the shared address, logged in; whichever appliance answers there. */
  readonly people: ApiClient;
  readonly watch: PairWatch;
  readonly #boxes: Record<'a' | 'b', UpgradeScene>;

  private constructor(pair: PairScene, shared: SharedAddress, people: ApiClient, boxes: Record<'a' | 'b', UpgradeScene>) {
    this.pair = pair;
    this.shared = shared;
    this.people = people;
    this.#boxes = boxes;
    this.watch = new PairWatch(pair, shared);
  }

  /**
   * Two staged appliances that trust `server`, have accepted the agreements of `targets`, and are a pair with `a` as its primary; a Jump Client at the shared address. `environment`: of both, too.
   */
  static async start(
    server: { url: string },
    watchSeconds: number,
    { environment = {}, ...options }: Partial<EstablishRequest> & { environment?: Record<string, string> } = {},
  ): Promise<PlanScene> {
    const port = await freePort([SHARED, '127.0.0.1', '127.0.0.2']);
    const pair = await PairScene.start({ staged: true, port, name: SHARED, environment });
    const boxes = {
      a: await UpgradeScene.of(pair.a.appliance, pair.a.site),
      b: await UpgradeScene.of(pair.b.appliance, pair.b.site),
    };
    for (const { offers } of await Promise.all([boxes.a, boxes.b].map((box) => box.trust(server, watchSeconds))))
      if (offers.length === 0) throw new Error('the update server offers nothing');
    for (const { target } of (await boxes.a.state()).offers) await boxes.a.accept(target);
    const shared = await SharedAddress.start(SHARED, port);
    shared.moveTo(pair.a.endpointOf());
    await pair.a.appliance.startJumpClient({ name: MACHINE, url: shared.url });
    await pair.a.site.onlineItem(MACHINE);
    await pair.establish(pair.a, options);
    const people = await ApiClient.pin(shared.url);
    // Whose certificate it is depends on who is primary.
    people.agent.options.rejectUnauthorized = false;
    await people.logIn('admin', SITE_PASSWORD);
    return new PlanScene(pair, shared, people, boxes);
  }

  /** A session to the Jump Client through the shared address, in which somebody types. */
  async typing(): Promise<TypingSession> {
    return TypingSession.start(this.people, await this.people.onlineItem(MACHINE));
  }

  /** The box interface of a side; logs in again when that is needed. */
  async box<S extends z.ZodType>(side: PairSide, method: string, path: string, schema: S, body?: unknown): Promise<z.infer<S>> {
    const { box } = this.#boxes[side.name];
    try {
      return await box.call(method, path, schema, body);
    } catch (error) {
      if (!(error instanceof ApiFailure) || error.status !== 401) throw error;
      await box.logIn('admin', BOX_PASSWORD);
      return await box.call(method, path, schema, body);
    }
  }

  async versions(side: PairSide): Promise<{ base: string; site: string }> {
    const state = await this.#boxes[side.name].state();
    const of = (kind: 'base' | 'site') => this.#boxes[side.name].installed(state, kind) ?? '';
    return { base: of('base'), site: of('site') };
  }

  makePlan(side: PairSide, kind: PlanKind): Promise<Plan> {
    return this.box(side, 'POST', 'plans', planShape, { kind });
  }

  async order(
    side: PairSide,
    plan: string,
    verb: 'run' | 'confirm' | 'pause' | 'cancel' | 'give-up',
    body: unknown = {},
  ): Promise<void> {
    await this.box(side, 'POST', `plans/${plan}/${verb}`, z.unknown(), body);
  }

  /** The plan as the page of `side` shows it, whichever side runs it. */
  async shown(side: PairSide): Promise<Plan | null> {
    return (await this.box(side, 'GET', 'plans', plansState)).current;
  }

  /** Waits until the plan is as `wanted` says, whatever is replaced or killed meanwhile. */
  async plan(side: PairSide, what: string, wanted: (plan: Plan) => boolean): Promise<Plan> {
    let last: Plan | null = null;
    return waitUntil(
      `the plan ${what}`,
      async () => {
        last = await this.shown(side);
        return last !== null && wanted(last) ? last : undefined;
      },
      PLAN_LIMIT_MS,
    ).catch((error: unknown) => side.appliance.fail(new Error(`${String(error)}\n${planText(last)}`)));
  }

  /** Waits until the plan has ended or stopped, and gives it. */
  stopped(side: PairSide, id: string): Promise<Plan> {
    return this.plan(side, 'has ended or stopped', (plan) => plan.id === id && !['shown', 'running'].includes(plan.state));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.watch.stop();
    await this.shared[Symbol.asyncDispose]();
    await this.pair[Symbol.asyncDispose]();
  }
}

/** What the signed report of a plan says. */
export function reportOf({ report }: Plan): PlanReport {
  if (report === null) throw new Error('the plan has no report');
  return planReport.parse(JSON.parse(report.statement));
}

/** For a failing test. */
export function planText(plan: Plan | null): string {
  if (plan === null) return 'no plan';
  const steps = plan.steps.map(
    ({ number, kind, on, state, progress, notes }) =>
      `${number} ${kind} on ${on}: ${state} ${progress?.text ?? ''} ${notes.map(({ text }) => text).join(' / ')}`,
  );
  return [`${plan.kind}: ${plan.state}${plan.isUndoing ? ', being taken back' : ''}`, ...steps].join('\n');
}

/** One look at one side. */
export interface Seen {
  side: 'a' | 'b';
  atMs: number;
  state: FailoverState;
}

/** Looks at both sides all the time: moves the shared address to the one that is primary, as a load balancer would, and keeps what it saw. */
export class PairWatch {
  readonly seen: Seen[] = [];
  /** Both served at one moment, provably: one was primary before and after the other was seen to be. */
  readonly twoPrimaries: string[] = [];
  readonly #pair: PairScene;
  readonly #shared: SharedAddress;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #at: 'a' | 'b' = 'a';

  constructor(pair: PairScene, shared: SharedAddress) {
    this.#pair = pair;
    this.#shared = shared;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      for (const side of this.#pair.sides) await this.#look(side);
      await delay(WATCH_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(side: PairSide): Promise<void> {
    // Who is dead, or starts, says nothing; that is no news here.
    const state = await side.state().catch(() => undefined);
    if (state === undefined) return;
    this.seen.push({ side: side.name, atMs: Date.now(), state });
    if (!serves(state)) return;
    this.#compare();
    if (side.name === this.#at) return;
    this.#at = side.name;
    this.#shared.moveTo(side.endpointOf());
  }

  /** The last three looks were at one, the other and the one again: the first and the third with one epoch mean that it served all the time between. */
  #compare(): void {
    const [first, between, last] = this.seen.slice(-3);
    if (first === undefined || between === undefined || last === undefined) return;
    if (first.side !== last.side || first.side === between.side || ![first, between, last].every(({ state }) => serves(state)))
      return;
    if (first.state.self.epoch !== last.state.self.epoch) return;
    const text = [first, between].map(({ side, state }) => `${side} with epoch ${state.self.epoch}`).join(' and ');
    if (this.twoPrimaries.at(-1) !== text) this.twoPrimaries.push(text);
  }
}

const serves = ({ self }: FailoverState): boolean => self.role === 'primary' || self.role === 'single';

/** A port that is free at all of `addresses`, below those that the kernel gives to outgoing connections. */
async function freePort(addresses: string[]): Promise<number> {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * (PORTS.below - PORTS.from));
    const free = await Promise.all(addresses.map((address) => isFree(address, port)));
    if (free.every(Boolean)) return port;
  }
}

async function isFree(address: string, port: number): Promise<boolean> {
  const probe = createServer();
  const isListening = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, address, () => resolve(true));
  });
  if (!isListening) return false;
  probe.close();
  await once(probe, 'close');
  return true;
}
