/**
 * I3, on real programs: whatever is hit at whatever step of an installation, the appliance comes up by itself with the old version or the new one, and what was
 * committed and the sessions of before go on. `npm test` hits every step once, in one of the operations that have it; `npm run faults` does every action at every step of every
 * operation on both sides, and 200 random moments.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { FaultScene, stepsOf, type Operation } from '@bascule/testkit/fault-scene.ts';
import { SeededRandom } from '@bascule/testkit/seeded-random.ts';
import { LaunchedUpdateServer, ReleaseShop } from '@bascule/testkit/upgrade-scene.ts';

const WATCH_SECONDS = 1;
const ACTIONS = [
  'kill-base',
  'kill-site',
  'kill-relay',
  'kill-boot',
  'kill-all',
  'throw',
  'disk-full',
  'disk-fault',
  'exit',
] as const;
const VICTIMS = ['relay', 'site', 'base', 'boot', 'all'] as const;
const isAll = process.env['BASCULE_FAULTS'] === 'all';
const RANDOM_MOMENTS = isAll ? 200 : 4;
/** An installation takes about that long: a random moment is within it, or shortly after. */
const MOMENT_WITHIN_MS = 6_000;
/** With all faults this ends an unfinished run in order, with its figures; 0: when all are done. */
const LIMIT_MS = Number(process.env['BASCULE_FAULTS_MINUTES'] ?? 0) * 60_000;
const OPERATIONS: Operation[] = [
  { kind: 'site', does: 'install' },
  { kind: 'site', does: 'roll-back' },
  { kind: 'base', does: 'install' },
  { kind: 'base', does: 'roll-back' },
];
const random = new SeededRandom();

/** A fault at a point, or (`point` undefined) a kill at a moment. */
interface Fault {
  operation: Operation;
  point: string | undefined;
}

function allFaults(): Fault[] {
  const everywhere = OPERATIONS.flatMap((operation) => stepsOf(operation).map((step) => ({ operation, step })));
  const steps = [...new Set(everywhere.map(({ step }) => step))];
  const chosen = isAll ? everywhere : steps.map((wanted) => random.pick(everywhere.filter(({ step }) => step === wanted)));
  const atPoints = chosen.flatMap(({ operation, step }) => {
    const all = (['before', 'after'] as const).flatMap((when) => ACTIONS.map((action) => `${step}/${when}:${action}`));
    return (isAll ? all : [random.pick(all)]).map((point) => ({ operation, point }));
  });
  const moments = Array.from({ length: RANDOM_MOMENTS }, (_, number) => ({
    operation: OPERATIONS[number % OPERATIONS.length] as Operation,
    point: undefined,
  }));
  return shuffled([...atPoints, ...moments]);
}

function shuffled<T>(things: T[]): T[] {
  return things
    .map((thing) => ({ thing, key: random.next() }))
    .toSorted((one, other) => one.key - other.key)
    .map(({ thing }) => thing);
}

describe('faults of installations', { concurrency: false }, () => {
  let shop: ReleaseShop;
  let server: LaunchedUpdateServer;
  let scene: FaultScene;
  const figures = { tried: 0, survived: 0 };

  before(async () => {
    shop = await ReleaseShop.open();
    server = await LaunchedUpdateServer.start(shop);
    scene = await FaultScene.start(server, WATCH_SECONDS);
  });
  after(async () => {
    process.stdout.write(
      `faults of installations: ${figures.tried} tried, ${figures.survived} survived, BASCULE_SEED=${random.seed}\n`,
    );
    await scene?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    shop?.[Symbol.dispose]();
  });

  /** Takes the first fault whose operation is possible now out of `left`; when there is none, makes one possible. */
  async function takeNext(left: Fault[]): Promise<Fault> {
    for (;;) {
      const possible = await scene.possible();
      const index = left.findIndex(({ operation }) =>
        possible.some(({ kind, does }) => kind === operation.kind && does === operation.does),
      );
      if (index >= 0) return left.splice(index, 1)[0] as Fault;
      await scene.plainly(possible.find(({ kind }) => kind === left[0]?.operation.kind) as Operation);
    }
  }

  /** Gives how the installation ended. */
  async function hit({ operation, point }: Fault, t: TestContext): Promise<string> {
    await scene.change();
    if (point !== undefined) scene.faults.arm(point);
    const id = await scene.begin(operation);
    if (point === undefined) await killAtRandom(t);
    const { ended, state } = await scene.afterwards(operation, id);
    scene.faults.disarm();
    if (point !== undefined) assert.equal(scene.faults.fired, point, 'the fault did not fire');
    if (state.rolledBack !== null) await scene.scene.box.send('POST', 'updates/acknowledge', { id: state.rolledBack.id });
    return ended?.outcome ?? 'not begun';
  }

  async function killAtRandom(t: TestContext): Promise<void> {
    const victim = random.pick(VICTIMS);
    const afterMs = random.below(MOMENT_WITHIN_MS);
    t.diagnostic(`${victim} after ${afterMs} ms`);
    await delay(afterMs);
    await (victim === 'all' ? scene.scene.appliance.killAll() : scene.scene.appliance.kill(victim));
  }

  it(`each is survived (BASCULE_SEED=${random.seed})`, async (t) => {
    const left = allFaults();
    const endsAtMs = LIMIT_MS === 0 ? Infinity : performance.now() + LIMIT_MS;
    while (left.length > 0 && performance.now() < endsAtMs) {
      const fault = await takeNext(left);
      const { kind, does } = fault.operation;
      await t.test(`${fault.point ?? 'a random moment'}, ${does} ${kind}`, async (inner) => {
        figures.tried++;
        const startedAtMs = performance.now();
        const outcome = await hit(fault, inner).catch((error: unknown) => scene.scene.appliance.fail(error));
        figures.survived++;
        const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
        process.stdout.write(`${figures.survived}/${figures.tried} ${inner.name}: ${outcome}, ${seconds} s\n`);
      });
    }
  });

  it('has lost no byte of the session that typed through all of it, and its recording is whole (I1, I2)', async () => {
    const { isLost, bytesLost, isRecordingWhole, typedBytes } = await scene.session.finish();
    assert.ok(typedBytes > 0);
    assert.deepEqual({ isLost, bytesLost, isRecordingWhole }, { isLost: false, bytesLost: 0, isRecordingWhole: true });
  });
});
