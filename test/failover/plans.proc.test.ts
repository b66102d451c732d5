/**
 * Upgrade plans of a failover pair on real programs, from one release to the next, under a session that types at the shared address. `npm test` runs the rolling plan; `npm run faults`
 * the other two as well, takes plans back, and kills programs of either appliance at random moments of each.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { must } from '@bascule/core/must.ts';
import type { Plan, PlanKind, PlanStep } from '@bascule/protocol/api/plans.ts';
import { CommandLine, run } from '@bascule/testkit/command-line.ts';
import { CHECKOUT } from '@bascule/testkit/launch-appliance.ts';
import { PLAN_LIMIT_MS, PlanScene, planText, reportOf } from '@bascule/testkit/plan-scene.ts';
import { PairFaults } from '@bascule/testkit/pair-faults.ts';
import type { PairSide } from '@bascule/testkit/pair-scene.ts';
import { SeededRandom } from '@bascule/testkit/seeded-random.ts';
import { LaunchedUpdateServer, NEXT_VERSION, ReleaseShop } from '@bascule/testkit/upgrade-scene.ts';
import type { TypingSession } from '@bascule/testkit/typing-session.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const WATCH_SECONDS = 1;
const FIRST_VERSION = '0.1.0';
const OLD = { base: FIRST_VERSION, site: FIRST_VERSION };
const NEW = { base: NEXT_VERSION, site: NEXT_VERSION };
const isAll = process.env['BASCULE_FAULTS'] === 'all';
const PAIR_KINDS = ['rolling', 'asynchronous', 'synchronous'] as const;
const VICTIMS = ['base', 'site', 'relay', 'all'] as const;
const KILLS_PER_KIND = 3;
/** A step takes about that long: a kill is within it, or within the next. */
const KILL_WITHIN_MS = 6_000;
/** A plan that is hit again and again is continued so often at most. */
const ORDERS_MAX = 20;
const random = new SeededRandom();

describe('upgrade plans of a failover pair', { concurrency: false }, () => {
  let shop: ReleaseShop;
  let server: LaunchedUpdateServer;
  before(async () => {
    shop = await ReleaseShop.open();
    server = await LaunchedUpdateServer.start(shop);
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    shop?.[Symbol.dispose]();
  });

  it('rolling: the relationship is never broken, the migration arrives where the old software runs, and nobody loses anything', async () => {
    await using scene = await PlanScene.start(server, WATCH_SECONDS);
    const { a, b } = scene.pair;
    using typing = await scene.typing();
    const schemaBefore = (await a.state()).self.schema;
    const { id } = await scene.makePlan(a, 'rolling');
    const isBefore = (kind: PlanStep['kind'], on: string) => (next: PlanStep) => next.kind === kind && next.on === on;

    await stepByStep(scene, id, isBefore('swap', 'north'));
    assert.deepEqual([await scene.versions(a), await scene.versions(b)], [OLD, NEW]);
    await scene.pair.caughtUp(a);
    assert.equal((await b.state()).self.schema, schemaBefore, 'the backup has the schema of what it follows');

    await stepByStep(scene, id, isBefore('install-base', 'north'));
    await scene.pair.caughtUp(b);
    const [former, now] = [await a.state(), await b.state()];
    assert.deepEqual([former.self.role, now.self.role], ['backup', 'primary']);
    assert.ok(now.self.schema > schemaBefore, 'the new software has migrated');
    assert.equal(former.self.schema, now.self.schema);
    assert.deepEqual(await scene.versions(a), OLD);
    const there = must(await scene.shown(b), 'the plan on the page of the other appliance');
    assert.deepEqual([there.id, there.runner], [id, 'north']);

    const command = new CommandLine(a.appliance.home);
    const { code, out, error } = await command.run('plan', 'run');
    if (code !== 0) a.appliance.fail(new Error(`plan run ended with ${code}:\n${out}${error}${planText(await scene.shown(a))}`));
    assert.match(out, /The plan is done/);

    await assertUpgraded(scene, must(await scene.shown(a), 'the plan'), b);
    for (const { state } of scene.watch.seen) {
      assert.equal(state.broken, null);
      assert.ok(state.self.role === 'primary' || state.self.role === 'backup', state.self.role);
    }
    const { roles } = await b.state();
    assert.deepEqual([...new Set(roles.map(({ reason }) => reason))].toSorted(), ['established', 'swapped']);
    await assertNothingLost(typing);
    await assertVerified(await command.says('plan', 'report'));
  });

  if (!isAll) return;
  for (const kind of ['asynchronous', 'synchronous'] as const)
    it(`${kind}: ends with a whole relationship and a report, and nobody loses anything`, async () => {
      await using scene = await PlanScene.start(server, WATCH_SECONDS);
      using typing = await scene.typing();
      const { a, b } = scene.pair;
      const { id } = await scene.makePlan(a, kind);
      await scene.order(a, id, 'run', { through: true });
      const plan = await ended(scene, id);
      await assertUpgraded(scene, plan, kind === 'synchronous' ? a : b);
      await assertNothingLost(typing);
      await assertVerified(`${JSON.stringify(plan.report)}\n`);
    });

  for (const kind of PAIR_KINDS)
    it(`${kind}: Cancel takes back what was done, at any step (BASCULE_SEED=${random.seed})`, async (t) => {
      await using scene = await PlanScene.start(server, WATCH_SECONDS);
      using typing = await scene.typing();
      const { id } = await beginUntilRandomStep(scene, kind, t);
      await cancel(scene, id);
      await assertAsBefore(scene);
      await assertNothingLost(typing);
    });

  for (const kind of PAIR_KINDS)
    for (let number = 1; number <= KILLS_PER_KIND; number++)
      it(`${kind}: goes on, or is undone, after a kill (${number}, BASCULE_SEED=${random.seed})`, async (t) => {
        await using scene = await PlanScene.start(server, WATCH_SECONDS);
        using typing = await scene.typing();
        const { id } = await beginUntilRandomStep(scene, kind, t);
        await kill(scene, t);
        const isTakenBack = random.below(3) === 0;
        t.diagnostic(isTakenBack ? 'and Cancel, if that is possible' : 'and on');
        const plan = (isTakenBack ? await cancel(scene, id) : undefined) ?? (await ended(scene, id));
        if (plan.state === 'cancelled') await assertAsBefore(scene);
        else await assertUpgraded(scene, plan, kind === 'synchronous' ? scene.pair.a : scene.pair.b);
        await assertNothingLost(typing);
      });

  it('asynchronous: goes on after kills at each step of establishing the relationship again', async (t) => {
    using faults = new PairFaults();
    await using scene = await PlanScene.start(server, WATCH_SECONDS, { environment: faults.environment });
    using typing = await scene.typing();
    const { a, b } = scene.pair;
    const { id } = await scene.makePlan(a, 'asynchronous');
    const [first] = AGAIN;
    faults.arm(first.point);
    await scene.order(a, id, 'run', { through: true });
    const ending = ended(scene, id);
    ending.catch(() => undefined);
    for (const [index, { point, victims }] of AGAIN.entries()) {
      await Promise.race([faults.untilFired(PLAN_LIMIT_MS), ending]);
      assert.ok(faults.isFired, `${point} is reached`);
      t.diagnostic(`killed at ${point}: ${victims.join(' and ')}`);
      await Promise.all(victims.map((name) => (name === 'a' ? a : b).appliance.killAll()));
      const next = AGAIN[index + 1];
      if (next === undefined) faults.goOn();
      else faults.arm(next.point);
    }
    await assertUpgraded(scene, await ending, b);
    await assertNothingLost(typing);
  });
});

/** Points of establishing again by a plan, in an order in which each is reached although those before it were hit; and who is killed there. */
const AGAIN = [
  { point: 'again/active', victims: ['a', 'b'] },
  { point: 'again/noted', victims: ['a', 'b'] },
  { point: 'again/told', victims: ['b'] },
] as const;

/** Runs the plan one step after the other, and says at each stop that all is well, until the next step is the one that `isNext` names. */
async function stepByStep(scene: PlanScene, id: string, isNext: (step: PlanStep) => boolean): Promise<void> {
  const { a } = scene.pair;
  for (;;) {
    const plan = await scene.plan(a, 'stands still', ({ state }) => state !== 'running');
    assert.ok(plan.state === 'shown' || plan.state === 'waits-for-person', planText(plan));
    const looked = plan.steps.find(({ state }) => state === 'waits-for-person');
    if (looked !== undefined) {
      await scene.order(a, id, 'confirm', { number: looked.number });
      continue;
    }
    const next = must(
      plan.steps.find(({ state }) => state === 'waiting' || state === 'ready'),
      'a next step',
    );
    if (isNext(next)) return;
    await scene.order(a, id, 'run', { through: false });
  }
}

/** Starts a plan and waits until it is at a step that is chosen at random, or past it. */
async function beginUntilRandomStep(scene: PlanScene, kind: PlanKind, t: TestContext): Promise<Plan> {
  const { a } = scene.pair;
  const plan = await scene.makePlan(a, kind);
  const way = plan.steps.findIndex(({ undo }) => undo === 'impossible');
  const step = must(plan.steps[random.below(way)], 'a step that can be taken back');
  t.diagnostic(`at step ${step.number}, ${step.kind} on ${step.on}`);
  await scene.order(a, plan.id, 'run', { through: true });
  const isThere = ({ steps, state }: Plan) =>
    state !== 'running' || steps.some((one) => one.number === step.number && one.state !== 'waiting' && one.state !== 'ready');
  return scene.plan(a, `is at step ${step.number}`, isThere);
}

/** A random program of either appliance, or all of one, at a random moment from now. */
async function kill(scene: PlanScene, t: TestContext): Promise<void> {
  const side = random.pick(scene.pair.sides);
  const victim = random.pick(VICTIMS);
  const afterMs = random.below(KILL_WITHIN_MS);
  t.diagnostic(`${victim} of ${side.name} after ${afterMs} ms`);
  await delay(afterMs);
  await (victim === 'all' ? side.appliance.killAll() : side.appliance.kill(victim));
}

/** Takes the plan back; undefined when it was past that. */
async function cancel(scene: PlanScene, id: string): Promise<Plan | undefined> {
  const { a } = scene.pair;
  const mayCancel = await waitUntil(
    'base of the runner answers',
    async () => ((await scene.shown(a))?.mayCancel === true ? 'yes' : 'no'),
    PLAN_LIMIT_MS,
  );
  if (mayCancel === 'no') return undefined;
  await scene.order(a, id, 'cancel');
  return ended(scene, id);
}

/** Has the plan go on whenever it stops, until it has ended. */
async function ended(scene: PlanScene, id: string): Promise<Plan> {
  const { a } = scene.pair;
  const orders: string[] = [];
  for (;;) {
    const plan = await scene.stopped(a, id);
    if (plan.state === 'done' || plan.state === 'cancelled') return plan;
    orders.push(planText(plan));
    if (orders.length > ORDERS_MAX) a.appliance.fail(new Error(`the plan does not end:\n${orders.slice(-3).join('\n')}`));
    const looked = plan.steps.find(({ state }) => state === 'waits-for-person');
    // Base may be away just then, or have gone on by itself: then it is looked at again.
    const order = looked === undefined || plan.state === 'paused' ? 'run' : 'confirm';
    const body = order === 'run' ? { through: true, overrule: amberCodes(plan) } : { number: looked?.number };
    await scene.order(a, id, order, body).catch(() => undefined);
  }
}

function amberCodes({ steps }: Plan): string[] {
  const codes = steps.flatMap(({ notes }) => notes).findLast(({ code }) => code === 'amber')?.params['codes'];
  return typeof codes === 'string' ? codes.split(',') : [];
}

async function assertUpgraded(scene: PlanScene, plan: Plan, primary: PairSide): Promise<void> {
  assert.equal(plan.state, 'done', planText(plan));
  assert.deepEqual([await scene.versions(scene.pair.a), await scene.versions(scene.pair.b)], [NEW, NEW]);
  await assertPair(scene, primary);
  const report = reportOf(plan);
  assert.deepEqual(
    [report.before, report.after].map((sides) => sides.map(({ base, site }) => ({ base, site }))),
    [
      [OLD, OLD],
      [NEW, NEW],
    ],
  );
  assert.deepEqual(report.sessions, { before: 1, ended: 0 });
  assert.equal(typeof report.withoutServiceMs, 'number', 'the shared address was asked, and whoever served answered');
  assert.deepEqual(report.serviceAsked?.answeredBy, ['127.0.0.9']);
  assert.equal(report.testSession.outcome, 'passed');
  // A synchronous plan swaps nothing.
  assert.equal(report.lagAtSwitch !== null, plan.kind !== 'synchronous');
}

async function assertAsBefore(scene: PlanScene): Promise<void> {
  assert.deepEqual([await scene.versions(scene.pair.a), await scene.versions(scene.pair.b)], [OLD, OLD]);
  await assertPair(scene, scene.pair.a);
}

/** One primary, one backup that has everything, and nobody was ever primary beside the other. */
async function assertPair(scene: PlanScene, primary: PairSide): Promise<void> {
  await primary.until('is primary', ({ self, conflict }) => self.role === 'primary' && conflict === null);
  await scene.pair.other(primary).until('is backup', ({ self, conflict }) => self.role === 'backup' && conflict === null);
  await scene.pair.caughtUp(primary);
  assert.deepEqual(scene.watch.twoPrimaries, []);
}

async function assertNothingLost(typing: TypingSession): Promise<void> {
  const { isLost, bytesLost, isRecordingWhole, typedBytes } = await typing.finish();
  assert.ok(typedBytes > 0);
  assert.deepEqual({ isLost, bytesLost, isRecordingWhole }, { isLost: false, bytesLost: 0, isRecordingWhole: true });
}

async function assertVerified(signedReport: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-plan-report-'));
  try {
    const file = join(directory, 'report.json');
    writeFileSync(file, signedReport);
    const { code, out, error } = await run(process.execPath, [
      join(CHECKOUT, 'tools', 'verify', 'verify.mjs'),
      'plan-report',
      file,
    ]);
    assert.equal(code, 0, out + error);
    assert.match(out, /: signed\n/);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
