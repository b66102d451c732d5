import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { must } from '@bascule/core/must.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { PLAN_KINDS, planReport, type PlanKind } from '@bascule/protocol/api/plans.ts';
import type { Effect, Input, PlanRecord } from './plan-contract.ts';
import { SILENT_LIMIT_MS, step } from './plan-core.ts';
import { isOver, mayCancel, shownState } from './plan-state.ts';
import { NEW, OLD, PLAN, silent, TwoAppliances } from './testing.ts';
import { perform } from './step-procedures.ts';

/** Inputs and performances of one plan; far above what any needs. */
const ROUNDS_MAX = 3_000;

const FAULTS = ['fine', 'fine', 'fine', 'lost-before', 'lost-after', 'cut-before', 'cut-after'] as const;

/** Runs a plan without shell, disk and clock: what was `journalled` is all that a crash leaves. */
class Drive {
  readonly world: TwoAppliances;
  record: PlanRecord;
  #effects: Effect[] = [];
  /** The process died within a performance: nobody hears of it. */
  isCut = false;
  /** Every answer arrives twice, and is one. */
  doubles = false;
  readonly performed: string[] = [];

  constructor(kind: PlanKind) {
    this.world = new TwoAppliances(kind);
    this.record = TwoAppliances.record(kind);
  }

  get core() {
    return this.record.core;
  }

  put(input: Input): void {
    const { state, effects } = step(this.core, input);
    this.record = { ...this.record, core: state };
    this.#effects = [...effects, ...this.#effects.filter((effect) => effect.kind === 'perform' && effect.token === state.token)];
  }

  run(through = true, overrule: string[] = []): void {
    this.put({ kind: 'run', through, overrule, atMs: this.world.nowMs });
  }

  cut(): never {
    this.isCut = true;
    throw new Error('the process is dead');
  }

  crash(): void {
    this.#effects = [];
    this.put({ kind: 'restarted', atMs: this.world.nowMs });
  }

  /** Carries out what is to be done, until nothing is or `until` says so. */
  async go(until: () => boolean = () => false): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX && !until(); round++) {
      const effect = this.#effects.shift();
      if (effect === undefined) return;
      if (effect.kind === 'ended') continue;
      this.world.nowMs += Math.max(1, effect.afterMs);
      await this.#perform(effect);
    }
    assert.ok(until(), `the plan does not come to an end: ${JSON.stringify(this.core)}`);
  }

  async #perform({ token, step: number, part, attempt }: Extract<Effect, { kind: 'perform' }>): Promise<void> {
    const current = must(
      this.core.steps.find((candidate) => candidate.number === number),
      'the step',
    );
    this.performed.push(`${current.kind} ${current.on} ${part}`);
    const waitedMs = this.core.waitsSinceMs === null ? 0 : this.world.nowMs - this.core.waitsSinceMs;
    this.isCut = false;
    const { measured, report, ...outcome } = await perform(this.world, {
      plan: PLAN,
      record: this.record,
      step: current,
      part,
      attempt,
      waitedMs,
    });
    if (this.isCut) return this.crash();
    this.record = { ...this.record, measured: { ...this.record.measured, ...measured }, report: report ?? this.record.report };
    assert.ok(this.world.primaries.length <= 1, 'two primaries');
    const answer: Input = { kind: 'performed', token, outcome, atMs: this.world.nowMs };
    this.put(answer);
    if (!this.doubles) return;
    const before = JSON.stringify(this.core);
    this.put(answer);
    assert.equal(JSON.stringify(this.core), before);
  }
}

function versions({ world }: Drive, party: 'self' | 'peer') {
  const { base, site } = world.sides[party];
  return { base, site };
}

/** `done` or `cancelled`, and then what that means. */
function assertEnded(drive: Drive, kind: PlanKind): void {
  const { world, core } = drive;
  assert.ok(core.mode === 'done' || core.mode === 'cancelled', `ended as ${core.mode}`);
  const expected = core.mode === 'done' ? NEW : OLD;
  assert.deepEqual(versions(drive, 'self'), expected);
  assert.equal(new Set(world.effects).size, world.effects.length, `twice in effect: ${world.effects.join(', ')}`);
  if (kind === 'single') return;
  assert.deepEqual(versions(drive, 'peer'), expected);
  assert.equal(world.isBroken, false);
  const primary = core.mode === 'done' && kind !== 'synchronous' ? 'B' : 'A';
  assert.deepEqual(world.primaries, [primary]);
}

describe('core of upgrade plans', () => {
  for (const kind of PLAN_KINDS)
    it(`runs a ${kind} plan through when everything is green, each effect once, and ends with a report`, async () => {
      const drive = new Drive(kind);
      drive.doubles = true;
      drive.run();
      await drive.go();
      assertEnded(drive, kind);
      const report = planReport.parse(JSON.parse(must(drive.record.report, 'the report').statement));
      assert.deepEqual(
        report.after.map(({ base, site }) => ({ base, site })),
        report.after.map(() => NEW),
      );
      assert.equal(report.sessions.ended, 0);
      assert.equal(report.withoutServiceMs, 12);
    });

  it('asks the other side nothing before its turn, and installs in the order of the guides', async () => {
    const orders: Record<string, string[]> = {
      synchronous: ['broken', 'A base 0.2.0', 'A site 0.2.0', 'B base 0.2.0', 'B site 0.2.0', 'established'],
      asynchronous: ['broken', 'B base 0.2.0', 'B site 0.2.0', 'swapped to B', 'A base 0.2.0', 'A site 0.2.0', 'established'],
      rolling: ['B base 0.2.0', 'B site 0.2.0', 'swapped to B', 'A base 0.2.0', 'A site 0.2.0'],
    };
    for (const [kind, effects] of Object.entries(orders)) {
      const drive = new Drive(kind as PlanKind);
      drive.run();
      await drive.go();
      assert.deepEqual(drive.world.effects, effects);
    }
  });

  it('step by step, waits for a person before each step and at each verification', async () => {
    const drive = new Drive('single');
    for (const expected of ['install-base', 'install-site', 'verify']) {
      drive.run(false);
      await drive.go();
      assert.equal(shownState(drive.core), 'waits-for-person');
      assert.equal(drive.core.steps[drive.core.at]?.kind, expected);
    }
    drive.run(false);
    await drive.go();
    assert.equal(drive.core.phase, 'person');
    assert.throws(() => drive.run(false), { code: 'PLAN_NOT_WAITING' });
    assert.throws(() => drive.put({ kind: 'confirm', number: 1, atMs: 1 }), { code: 'PLAN_NOT_WAITING' });
    drive.put({ kind: 'confirm', number: 4, atMs: drive.world.nowMs });
    await drive.go();
    assertEnded(drive, 'single');
  });

  it('waits for a person when a verification is not green, though it runs through', async () => {
    const drive = new Drive('asynchronous');
    drive.world.testSession = 'no-client';
    drive.run();
    await drive.go();
    assert.equal(shownState(drive.core), 'waits-for-person');
    const current = must(drive.core.steps[drive.core.at], 'the step');
    assert.deepEqual([current.kind, current.on], ['verify', 'B']);
    assert.ok(current.notes.some(({ code }) => code === 'session-no-client'));
    drive.world.testSession = 'passed';
    drive.put({ kind: 'confirm', number: current.number, atMs: drive.world.nowMs });
    await drive.go();
    assertEnded(drive, 'asynchronous');
  });

  it('says with which client a test session failed, and why', async () => {
    const drive = new Drive('asynchronous');
    drive.world.testSession = 'failed';
    drive.run();
    await drive.go();
    const note = must(drive.core.steps[drive.core.at], 'the step').notes.find(({ code }) => code === 'session-failed');
    assert.deepEqual([note?.params?.['item'], note?.params?.['error']], ['far', 'The shell did not answer within 15 s.']);
    assert.match(note?.text ?? '', /far.*did not answer/);
  });

  it('pauses with a plain reason when the peer does not answer, and goes on when it does', async () => {
    const drive = new Drive('rolling');
    drive.run();
    await drive.go(() => drive.performed.includes('install-base B action'));
    drive.world.isPeerDeaf = true;
    const fromMs = drive.world.nowMs;
    await drive.go();
    assert.equal(drive.core.mode, 'paused');
    assert.ok(drive.world.nowMs - fromMs > SILENT_LIMIT_MS);
    assert.equal(drive.core.steps[drive.core.at]?.notes.at(-1)?.code, 'no-answer');
    drive.world.isPeerDeaf = false;
    drive.run();
    await drive.go();
    assertEnded(drive, 'rolling');
  });

  it('names amber lines, and installs when a person overrules them', async () => {
    const drive = new Drive('single');
    drive.world.failing.set('A site/0.2.0', 'PREFLIGHT_AMBER');
    drive.run();
    await drive.go();
    assert.equal(drive.core.mode, 'paused');
    const note = must(drive.core.steps[drive.core.at]?.notes.at(-1), 'a note');
    assert.deepEqual([note.code, note.params['codes']], ['amber', 'sessions']);
    drive.run(true, ['sessions']);
    await drive.go();
    assert.deepEqual(drive.core.overrule, ['sessions']);
    assertEnded(drive, 'single');
  });

  it('cannot be cancelled once the relationship is there again, and says so', async () => {
    const drive = new Drive('synchronous');
    drive.run();
    await drive.go(() => drive.performed.includes('establish A action'));
    assert.equal(mayCancel(drive.core), false);
    assert.throws(() => drive.put({ kind: 'cancel', atMs: 1 }), { code: 'PLAN_NO_WAY_BACK' });
  });

  it('ends when it is given up, and takes no answer after that', async () => {
    const drive = new Drive('rolling');
    drive.run();
    await drive.go(() => drive.performed.includes('install-base B action'));
    assert.throws(() => drive.put({ kind: 'give-up', atMs: 1 }), { code: 'PLAN_RUNS' });
    drive.put({ kind: 'pause', atMs: drive.world.nowMs });
    await drive.go();
    assert.equal(drive.core.mode, 'paused');
    drive.put({ kind: 'give-up', atMs: drive.world.nowMs });
    assert.ok(isOver(drive.core));
    assert.equal(shownState(drive.core), 'failed');
    assert.throws(
      () => drive.run(),
      (error) => error instanceof AppError && error.code === 'PLAN_OVER',
    );
  });

  for (const kind of PLAN_KINDS)
    it(`a ${kind} plan that is cut at any call, or whose answer is lost there, ends done with each effect once`, async () => {
      const whole = new Drive(kind);
      let calls = 0;
      whole.world.disturb = () => calls++;
      whole.run();
      await whole.go();
      for (let at = 1; at <= calls; at++) {
        const drive = new Drive(kind);
        let call = 0;
        drive.world.disturb = (_when, what) => {
          if (++call !== at) return;
          // Before and after each call it is one or the other; the test below mixes them.
          if (at % 3 === 0) throw silent(what);
          drive.cut();
        };
        drive.run();
        await finish(drive, undefined);
        assert.equal(drive.core.mode, 'done', `call ${at}`);
        assertEnded(drive, kind);
      }
    });

  for (const kind of PLAN_KINDS)
    it(`a ${kind} plan under many faults ends done, or undone after Cancel: answers lost, cut at random, a package that fails`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.constantFrom(...FAULTS), { minLength: 5, maxLength: 120 }),
          fc.option(fc.nat(90), { nil: undefined }),
          fc.option(fc.constantFrom('A base/0.2.0', 'A site/0.2.0', 'B base/0.2.0', 'B site/0.2.0'), { nil: undefined }),
          async (faults, cancelAfter, failing) => {
            const drive = new Drive(kind);
            if (failing !== undefined) drive.world.failing.set(failing, 'SITE_UNHEALTHY');
            let calls = 0;
            drive.world.disturb = (when, what) => {
              if (when === 'before') calls++;
              if (faults[calls] === `lost-${when}`) throw silent(what);
              if (faults[calls] === `cut-${when}`) drive.cut();
            };
            drive.run();
            await finish(drive, cancelAfter);
            assertEnded(drive, kind);
          },
        ),
        { numRuns: 50 },
      );
    });
});

/** To the end; a person goes on when the plan waits or is paused, and cancels after so many performances. */
async function finish(drive: Drive, cancelAfter: number | undefined): Promise<void> {
  let isCancelled = cancelAfter === undefined;
  for (let turns = 0; turns < 100 && !isOver(drive.core); turns++) {
    await drive.go(() => !isCancelled && drive.performed.length >= (cancelAfter ?? 0));
    const atMs = drive.world.nowMs;
    if (!isCancelled && drive.performed.length >= (cancelAfter ?? 0)) {
      isCancelled = true;
      if (mayCancel(drive.core)) drive.put({ kind: 'cancel', atMs });
    } else if (isOver(drive.core)) return;
    else if (drive.core.phase === 'person' && drive.core.mode === 'running')
      drive.put({ kind: 'confirm', number: must(drive.core.steps[drive.core.at], 'the step').number, atMs });
    else drive.run();
  }
}
