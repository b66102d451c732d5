/**
 * Whatever hits either appliance of a pair, or both, or the network between them, at whatever step: one side is primary afterwards and the other follows, nothing that was answered for is
 * gone, nobody wrote what the other lacks, and the session that is typed into all the time loses no byte (I1, I2, I4, I5). `npm test` tries a sample by a seed; `npm run faults` does
 * each at every step, with kills and pauses, and random moments. What a whole folder of long ago, another clock, a full disk or a false epoch do is in strange-peers.proc.test.ts.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { freeze, powerOn } from '@bascule/testkit/pair-faults.ts';
import { PairFaultScene } from '@bascule/testkit/pair-fault-scene.ts';
import { missingAt } from '@bascule/testkit/pair-writer.ts';
import type { PairSide } from '@bascule/testkit/pair-scene.ts';
import { SeededRandom } from '@bascule/testkit/seeded-random.ts';
import { PAIR_FAULT_POINTS, type PairFaultPoint } from '../../apps/site/src/failover/fault-points.ts';

const isAll = process.env['BASCULE_FAULTS'] === 'all';
/** `npm test` begins no further fault after this; with all of them it ends an unfinished run in order (0: when all are done). */
const LIMIT_MS = isAll ? Number(process.env['BASCULE_FAULTS_MINUTES'] ?? 0) * 60_000 : 20_000;
const RANDOM_MOMENTS = isAll ? 100 : 10;
/** Operations take about that long: a random moment is within it, or shortly after. */
const MOMENT_WITHIN_MS = 3000;
/** Pauses are shorter and longer than the silence after which a peer counts as away. */
const PAUSE_WITHIN_MS = 9000;
const OFF_WITHIN_MS = 2000;
const BROKEN_WITHIN_MS = 8000;
/** A pattern of names: only these. */
const ONLY = new RegExp(process.env['BASCULE_FAULTS_ONLY'] ?? '');
const random = new SeededRandom();
const MODES = ['async', 'sync'] as const;
/** The same must hold in both: nobody is taken over by force here. */
const modes = MODES.filter((mode) => mode === (process.env['BASCULE_FAULTS_MODE'] ?? (isAll ? mode : random.pick(MODES))));

const OPERATIONS = ['write', 'swap', 'break', 'establish'] as const;
type Operation = (typeof OPERATIONS)[number];
const VICTIMS = ['primary', 'backup', 'both'] as const;
const ACTIONS = ['kill', 'stop'] as const;
const NETWORKS = ['cut', 'held', 'only to the primary', 'only to the backup', 'no answers', 'slow', 'bits turned'] as const;

type Fault =
  | {
      kind: 'step';
      operation: Operation;
      point: PairFaultPoint;
      victim: (typeof VICTIMS)[number];
      action: (typeof ACTIONS)[number];
    }
  | { kind: 'moment'; operation: Operation; victim: (typeof VICTIMS)[number]; action: (typeof ACTIONS)[number] }
  | { kind: 'network'; operation: Operation; network: (typeof NETWORKS)[number] };

/** Reached by a plan (plans.proc.test.ts). */
const ELSEWHERE = ['again/active', 'again/told', 'again/noted'];
/** Of an establishing that hands the certificate of the shared name over. */
const WITH_CERTIFICATE: PairFaultPoint = 'establish/certificate-taken';
/** Those who write while they do not see each other differ by more than their clocks may. */
const BEHIND_THE_MARGIN_MS = 2500;

/** In which of the operations a point is reached. */
function operationOf(point: PairFaultPoint): Operation {
  const [prefix = ''] = point.split('/');
  if (prefix === 'establish' || point.startsWith('sync/copy-')) return 'establish';
  if (prefix === 'break') return 'break';
  return prefix === 'sync' ? 'write' : 'swap';
}

function allFaults(): Fault[] {
  const points = PAIR_FAULT_POINTS.filter((point) => !ELSEWHERE.includes(point));
  const hits = VICTIMS.flatMap((victim) => ACTIONS.map((action) => ({ victim, action })));
  const steps = points.flatMap((point) =>
    (isAll ? hits : [random.pick(hits)]).map((hit) => ({ kind: 'step', operation: operationOf(point), point, ...hit }) as const),
  );
  const moments = Array.from({ length: RANDOM_MOMENTS }, () => ({
    kind: 'moment' as const,
    operation: random.pick(OPERATIONS),
    ...random.pick(hits),
  }));
  const networks = NETWORKS.flatMap((network) =>
    (['write', 'swap'] as const).map((operation) => ({ kind: 'network', operation, network }) as const),
  );
  return eachKindFirst(shuffled([...steps, ...moments, ...networks].filter((fault) => ONLY.test(nameOf(fault)))));
}

/** Every point once before any a second time, so that a run which is ended early has been everywhere. */
function eachKindFirst(faults: readonly Fault[]): Fault[] {
  const rounds = new Map<string, number>();
  const withRound = faults.map((fault) => {
    const place = fault.kind === 'step' ? fault.point : fault.kind === 'moment' ? `moment of ${fault.operation}` : fault.network;
    const round = rounds.get(place) ?? 0;
    rounds.set(place, round + 1);
    return { fault, round };
  });
  return withRound.toSorted((one, other) => one.round - other.round).map(({ fault }) => fault);
}

function shuffled<T>(things: readonly T[]): T[] {
  return things
    .map((thing) => ({ thing, key: random.next() }))
    .toSorted((one, other) => one.key - other.key)
    .map(({ thing }) => thing);
}

function nameOf(fault: Fault): string {
  if (fault.kind === 'network') return `network: ${fault.network}, ${fault.operation}`;
  const where = fault.kind === 'step' ? fault.point : `a random moment of ${fault.operation}`;
  return `${where}: ${fault.action} ${fault.victim}`;
}

for (const mode of modes) describe(`faults of a pair (${mode})`, { concurrency: false }, () => faultsOf(mode));

function faultsOf(mode: (typeof MODES)[number]): void {
  let begun: PairFaultScene;
  let primary: PairSide;
  const figures = { tried: 0, survived: 0 };

  async function begin(): Promise<void> {
    begun = await PairFaultScene.start({ withWays: true, mode });
    primary = begun.scene.a;
  }

  before(begin);
  after(async () => {
    process.stdout.write(
      `faults of a pair (${mode}): ${figures.tried} tried, ${figures.survived} survived, BASCULE_SEED=${random.seed}\n`,
    );
    await begun?.[Symbol.asyncDispose]();
  });

  /** What a person does, to its end; how it ends is looked at afterwards. */
  async function operate(operation: Operation, point?: PairFaultPoint): Promise<void> {
    const backup = begun.scene.other(primary);
    try {
      if (operation === 'swap') await backup.act('become-primary', { pullFirst: true });
      if (operation === 'break') await primary.act('break');
      if (operation === 'establish')
        await primary.act('establish', begun.request(primary, { withCertificate: point === WITH_CERTIFICATE }));
    } catch {
      // Refused, or cut off: both may be.
    }
  }

  /** An establishing begins with a relationship that is none. */
  async function prepare(operation: Operation): Promise<void> {
    if (operation !== 'establish') return;
    await primary.act('break');
    await begun.scene.other(primary).until('has heard of it', ({ self }) => self.role === 'read-only');
  }

  function victimsOf(victim: (typeof VICTIMS)[number]): PairSide[] {
    const backup = begun.scene.other(primary);
    return victim === 'both' ? [primary, backup] : [victim === 'primary' ? primary : backup];
  }

  async function hit({ victim, action }: { victim: (typeof VICTIMS)[number]; action: (typeof ACTIONS)[number] }): Promise<void> {
    const appliances = victimsOf(victim).map(({ appliance }) => appliance);
    if (action === 'stop') {
      const thaws = await Promise.all(appliances.map(freeze));
      begun.faults.goOn();
      await delay(random.below(PAUSE_WITHIN_MS));
      for (const thaw of thaws) thaw();
      return;
    }
    await Promise.all(appliances.map((appliance) => appliance.die()));
    begun.faults.goOn();
    await delay(random.below(OFF_WITHIN_MS));
    await Promise.all(appliances.map(powerOn));
  }

  /** The network is broken for a while, from a moment before the operation begins. */
  async function breakNetwork(network: (typeof NETWORKS)[number], operation: Operation): Promise<void> {
    const { ways } = begun;
    assert.ok(ways !== undefined);
    const toPrimary = ways[primary.name];
    const toBackup = ways[begun.scene.other(primary).name];
    const both = [toPrimary, toBackup];
    if (network === 'cut') both.forEach((way) => way.cut());
    if (network === 'held') both.forEach((way) => way.set('held'));
    if (network === 'only to the primary') toBackup.cut();
    if (network === 'only to the backup') toPrimary.cut();
    if (network === 'no answers') both.forEach((way) => way.set('passes', 'held'));
    if (network === 'slow') both.forEach((way) => way.set('slow'));
    if (network === 'bits turned') both.forEach((way) => way.set('flipped'));
    const operating = operate(operation);
    await delay(random.below(BROKEN_WITHIN_MS));
    both.forEach((way) => way.cut(false));
    both.forEach((way) => way.set('passes'));
    await operating;
  }

  async function survive(fault: Fault): Promise<void> {
    await prepare(fault.operation);
    if (fault.kind === 'network') await breakNetwork(fault.network, fault.operation);
    else {
      // A swap that would leave output behind is refused: then its steps are not reached.
      if (fault.kind === 'step' && fault.operation === 'swap') await begun.scene.caughtUp(primary);
      if (fault.kind === 'step') begun.faults.arm(fault.point);
      const operating = operate(fault.operation, fault.kind === 'step' ? fault.point : undefined);
      if (fault.kind === 'step') await begun.faults.untilFired();
      else await delay(random.below(MOMENT_WITHIN_MS));
      await hit(fault);
      await operating;
    }
    primary = await begun.settle();
    await begun.typesAgain();
  }

  it(`each is survived (BASCULE_SEED=${random.seed})`, async (t) => {
    const endsAtMs = LIMIT_MS === 0 ? Infinity : performance.now() + LIMIT_MS;
    for (const fault of allFaults()) {
      if (figures.tried > 0 && performance.now() > endsAtMs) break;
      await t.test(nameOf(fault), async (inner) => {
        figures.tried += 1;
        const startedAtMs = performance.now();
        await survive(fault).catch(async (error: unknown) => {
          const failure = begun.told(error);
          // The others are tried on a pair that is whole.
          await begun[Symbol.asyncDispose]();
          await begin();
          throw failure;
        });
        figures.survived += 1;
        const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
        process.stdout.write(`${figures.survived}/${figures.tried} ${inner.name}: ${primary.name} is primary, ${seconds} s\n`);
      });
    }
  });

  it('has lost no byte of the session that was typed into all the time, and its recording is whole (I1, I2)', async () => {
    await begun.stopWriting();
    await begun.settle();
    const { isLost, differences, isRecordingWhole, typedBytes } = await begun.session.finish();
    assert.ok(typedBytes > 0);
    assert.deepEqual({ isLost, differences, isRecordingWhole }, { isLost: false, differences: [], isRecordingWhole: true });
  });
}

/** Two that have both written, one of which gives way: whatever hits it, what it had is archived, and what the other one answered for is there (I5). */
describe('faults of a side that gives way', { skip: isAll ? false : 'only with `npm run faults`', concurrency: false }, () => {
  for (const victim of VICTIMS)
    it(`sync/copy-archived: kill ${victim}`, async () => {
      await using begun = await PairFaultScene.start({ withWays: true, withoutSession: true });
      const { ways, faults } = begun;
      const { a, b } = begun.scene;
      assert.ok(ways !== undefined);
      for (const way of [ways.a, ways.b]) way.cut();
      await b.until('sees that the primary is away', ({ peerState }) => peerState === 'unreachable');
      const acceptedLoss = { changes: 1000, seconds: 1000 };
      await b.act('become-primary', { pullFirst: false, acceptedLoss });
      await b.until('is primary', ({ self }) => self.role === 'primary');
      await delay(BEHIND_THE_MARGIN_MS);
      for (const way of [ways.a, ways.b]) way.cut(false);
      await a.until('stops', ({ self, readOnly }) => self.role === 'read-only' && readOnly === 'superseded');
      faults.arm('sync/copy-archived');
      const fixing = a.act('fix', { keep: 'south' }).catch(() => undefined);
      await faults.untilFired();
      const victims = victim === 'both' ? [a, b] : [victim === 'primary' ? b : a];
      await Promise.all(victims.map(({ appliance }) => appliance.die()));
      faults.goOn();
      await Promise.all(victims.map(({ appliance }) => powerOn(appliance)));
      await fixing;
      await a.until('follows', ({ self, copy }) => self.role === 'backup' && copy?.state === 'following');
      await begun.stopWriting();
      await begun.scene.caughtUp(b);
      const { archives } = await a.state();
      assert.ok(archives.some(({ reason, changes }) => reason === 'discarded' && changes > 0));
      assert.deepEqual(await missingAt(b, begun.acknowledgedAt('b')), []);
    });
});
