import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { QueueCore } from './queue-core.ts';
import { count, shareOf } from './queue-rings.ts';
import * as types from './queue-types.ts';
import type { OrderInfo, QueueClient, QueueEffect, QueueLimits, QueueReport } from './queue-types.ts';

const LIMITS: QueueLimits = {
  maxConcurrent: 3,
  maxStartsPerSecond: 10,
  rings: [{ groupIds: [], percent: 100, waitMs: 0 }],
  haltPercent: 20,
  haltMinimum: 2,
  ringPatienceMs: 3_600_000,
  healthMs: 60_000,
};
const NOBODY_SAID = { report: undefined, fits: false, onTrial: false, inSession: false };
const client = (id: string, more: Partial<QueueClient> = {}): QueueClient => ({
  id,
  groupId: null,
  standing: 'behind',
  isEligible: true,
  ...more,
});

/** The queue with a clock that the test moves, and clients that do as the test says. */
class Bench {
  readonly core: QueueCore;
  nowMs = 1_000_000;
  orders = 0;
  readonly effects: QueueEffect[] = [];
  readonly begun: string[] = [];

  constructor(limits: Partial<QueueLimits> = {}) {
    this.core = new QueueCore({ limits: { ...LIMITS, ...limits } });
    this.core.setOpen(true, this.nowMs);
  }

  connect(...ids: string[]): void {
    for (const id of ids) this.core.hello(client(id), NOBODY_SAID, this.nowMs);
  }

  /** Lets time pass and does what the queue wants. */
  pass(ms: number, stepMs = 250): void {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.nowMs += stepMs;
      this.core.tick(this.nowMs);
      this.drain();
    }
  }

  drain(): void {
    for (const effect of this.core.take()) {
      this.effects.push(effect);
      if (effect.kind !== 'begin') continue;
      this.begun.push(effect.client);
      this.core.begun(effect.client, this.order(), this.nowMs);
    }
  }

  order(): OrderInfo {
    this.orders += 1;
    const id = `upg_${this.orders}`;
    return { id, rollout: 'rol', version: '2.0.0', fromVersion: '1.0.0', bundle: 'b', parcels: ['p'], begunAtMs: this.nowMs };
  }

  report(id: string, state: QueueReport['state'], more: Partial<QueueReport> = {}): types.ReportAnswer {
    const order = this.core.entries.get(id)?.order?.id ?? 'none';
    const answer = this.core.report(id, { order, state, ...more }, { fits: true, standing: 'current' }, this.nowMs);
    this.drain();
    return answer;
  }

  state(id: string): string | undefined {
    return this.core.entries.get(id)?.state;
  }

  haltCode(): string | undefined {
    return this.core.halt?.code;
  }

  kinds(kind: QueueEffect['kind']): QueueEffect[] {
    return this.effects.filter((effect) => effect.kind === kind);
  }
}

describe('the upgrade queue', () => {
  it('begins with no more at once than the limit, and goes on as they get done', () => {
    const bench = new Bench();
    bench.connect('a', 'b', 'c', 'd');
    bench.pass(2000);
    assert.deepEqual(bench.begun, ['a', 'b', 'c']);
    assert.equal(bench.state('d'), 'pending');
    assert.equal(bench.core.entries.places().get('d'), 1);
    bench.report('b', 'restarting');
    bench.pass(1000);
    assert.equal(bench.begun.length, 3, 'a restart still holds the slot');
    assert.equal(bench.report('b', 'done'), 'noted');
    bench.pass(500);
    assert.deepEqual(bench.begun, ['a', 'b', 'c', 'd']);
    assert.equal(bench.state('b'), 'current');
  });

  it('moves a client to the front, before its ring opens', () => {
    const rings = [
      { groupIds: ['jg_first'], percent: 0, waitMs: 0 },
      { groupIds: [], percent: 100, waitMs: 60_000 },
    ];
    const bench = new Bench({ rings, maxConcurrent: 1 });
    for (const id of ['a', 'b']) bench.core.hello(client(id, { groupId: 'jg_first' }), NOBODY_SAID, bench.nowMs);
    bench.connect('x', 'y');
    bench.core.toFront('y', bench.nowMs);
    assert.deepEqual([...bench.core.entries.places().keys()], ['y', 'a', 'b', 'x']);
    bench.pass(1000);
    assert.deepEqual(bench.begun, ['y']);
    bench.report('y', 'done');
    bench.pass(500);
    assert.deepEqual(bench.begun, ['y', 'a']);
  });

  it('opens a ring after the one before it is done and its wait is over', () => {
    const rings = [
      { groupIds: ['jg_first'], percent: 0, waitMs: 0 },
      { groupIds: [], percent: 100, waitMs: 60_000 },
    ];
    const bench = new Bench({ rings });
    bench.core.hello(client('a', { groupId: 'jg_first' }), NOBODY_SAID, bench.nowMs);
    bench.connect('x');
    bench.pass(1000);
    bench.report('a', 'done');
    bench.pass(55_000);
    assert.deepEqual(bench.begun, ['a']);
    bench.pass(10_000);
    assert.deepEqual(bench.begun, ['a', 'x']);
    bench.report('x', 'done');
    bench.pass(1000);
    assert.equal(bench.kinds('ended').length, 1);
  });

  it('ends without a client that cannot upgrade itself, and without the waits of rings that have nobody else', () => {
    const rings = [
      { groupIds: ['jg_first'], percent: 0, waitMs: 0 },
      { groupIds: ['jg_second'], percent: 0, waitMs: 3_600_000 },
      { groupIds: [], percent: 100, waitMs: 3_600_000 },
    ];
    const bench = new Bench({ rings });
    bench.core.hello(client('a', { groupId: 'jg_first' }), NOBODY_SAID, bench.nowMs);
    bench.core.hello(client('stuck', { groupId: 'jg_first', standing: 'unsupported' }), NOBODY_SAID, bench.nowMs);
    bench.core.hello(client('old', { groupId: 'jg_second', standing: 'unsupported' }), NOBODY_SAID, bench.nowMs);
    bench.core.hello(client('newer', { standing: 'ahead' }), NOBODY_SAID, bench.nowMs);
    bench.pass(1000);
    assert.equal(bench.kinds('ended').length, 0);
    bench.report('a', 'done');
    bench.pass(1000);
    assert.equal(bench.kinds('ended').length, 1);
    assert.deepEqual({ ...bench.core.entries.total() }, { ...types.NO_COUNTS, total: 4, current: 2, unsupported: 2 });
  });

  it('does not wait after rings that had nobody', () => {
    const rings = [
      { groupIds: ['jg_none'], percent: 0, waitMs: 0 },
      { groupIds: [], percent: 100, waitMs: 3_600_000 },
    ];
    const bench = new Bench({ rings });
    bench.connect('x');
    bench.pass(1000);
    assert.deepEqual(bench.begun, ['x']);
  });

  it('waits for those who are away no longer than its patience', () => {
    const rings = [
      { groupIds: ['jg_first'], percent: 0, waitMs: 0 },
      { groupIds: [], percent: 100, waitMs: 0 },
    ];
    const bench = new Bench({ rings, ringPatienceMs: 10_000 });
    bench.core.add(client('away', { groupId: 'jg_first' }), undefined, bench.nowMs);
    bench.connect('x');
    bench.pass(9000);
    assert.deepEqual(bench.begun, []);
    bench.pass(3000);
    assert.deepEqual(bench.begun, ['x']);
  });

  it('halts when more than the share failed, voids what is being fetched, and goes on when told to', () => {
    const bench = new Bench({ maxConcurrent: 10 });
    bench.connect('a', 'b', 'c', 'd', 'e', 'f');
    bench.pass(1000);
    bench.report('a', 'restarting');
    bench.report('b', 'failed', { failure: 'signature' });
    assert.equal(bench.core.halt, null, 'one is below the minimum');
    bench.report('c', 'rolled-back', { failure: 'no-shell' });
    assert.equal(bench.haltCode(), 'failures');
    assert.equal(bench.state('a'), 'restarting', 'a trial goes on');
    assert.equal(bench.state('d'), 'pending');
    assert.equal(bench.kinds('cancel').length, 3);
    const before = bench.begun.length;
    bench.pass(600_000);
    assert.equal(bench.begun.length, before, 'nothing begins while it is halted');
    bench.report('a', 'done');
    bench.core.resume(true, bench.nowMs);
    bench.pass(1000);
    assert.equal(bench.core.halt, null);
    assert.deepEqual(bench.begun.slice(before).sort(), ['b', 'c', 'd', 'e', 'f']);
  });

  it('halts within a minute when those it began with are silent', () => {
    const bench = new Bench({ maxConcurrent: 10 });
    bench.connect('a', 'b', 'c', 'd');
    bench.pass(1000);
    for (const id of ['c', 'd']) bench.report(id, 'done');
    bench.pass(types.DOWNLOAD_LEASE_MS + 1000);
    assert.equal(bench.haltCode(), 'silence');
    assert.equal(bench.core.entries.get('a')?.failure, 'silent');
  });

  it('is patient with a client that is being served', () => {
    const bench = new Bench();
    bench.connect('a');
    bench.pass(1000);
    for (let round = 0; round < 20; round += 1) {
      bench.core.progress('a', bench.nowMs);
      bench.pass(30_000, 1000);
    }
    assert.equal(bench.state('a'), 'downloading');
  });

  it('has no slot for a client that is always at work, and never done', () => {
    for (const state of ['downloading', 'restarting'] as const) {
      const bench = new Bench({ maxConcurrent: 1 });
      bench.connect('a', 'b');
      bench.pass(1000);
      const hour = 60 * 60_000;
      for (let passed = 0; passed <= types.ORDER_MAX_MS + hour && bench.begun.length === 1; passed += 30_000) {
        bench.report('a', state);
        bench.core.progress('a', bench.nowMs);
        bench.pass(30_000, 10_000);
      }
      assert.deepEqual(bench.begun, ['a', 'b'], state);
      assert.equal(bench.core.entries.get('a')?.failure, 'silent');
    }
  });

  it('lets a client in a session wait without a slot, and asks again when it is free', () => {
    const bench = new Bench({ maxConcurrent: 1 });
    bench.connect('a', 'b');
    bench.pass(500);
    bench.core.session('a', true, bench.nowMs);
    bench.drain();
    assert.equal(bench.state('a'), 'waiting-for-session');
    bench.pass(500);
    assert.deepEqual(bench.begun, ['a', 'b']);
    bench.report('b', 'done');
    bench.pass(60_000);
    assert.deepEqual(bench.begun, ['a', 'b']);
    bench.core.session('a', false, bench.nowMs);
    bench.pass(500);
    assert.deepEqual(bench.begun, ['a', 'b', 'a']);
    assert.equal(bench.core.entries.get('a')?.attempts, 1, 'waiting was no attempt');
  });

  it('asks a client again that waits for a session of which the site knows nothing', () => {
    const bench = new Bench();
    bench.connect('a');
    bench.pass(500);
    bench.report('a', 'waiting-for-session');
    assert.equal(bench.state('a'), 'waiting-for-session');
    bench.pass(types.SESSION_HOLD_MS + 1000);
    assert.deepEqual(bench.begun, ['a', 'a']);
  });

  it('tries again with growing waits, then no more until somebody does', () => {
    const bench = new Bench({ haltMinimum: 100 });
    bench.connect('a');
    const waits: number[] = [];
    for (let attempt = 1; attempt <= types.ATTEMPTS_MAX; attempt += 1) {
      const before = bench.begun.length;
      const sinceMs = bench.nowMs;
      while (bench.begun.length === before && bench.nowMs - sinceMs < types.RETRY_MAX_MS) bench.pass(1000);
      waits.push(bench.nowMs - sinceMs);
      bench.report('a', 'failed', { failure: 'disk-full' });
    }
    assert.deepEqual(
      waits.slice(1).map((wait) => Math.round(wait / 60_000)),
      [1, 2, 4, 8],
    );
    assert.equal(bench.core.entries.get('a')?.nextTryAtMs, null);
    bench.pass(types.RETRY_MAX_MS * 2, 10_000);
    assert.equal(bench.begun.length, types.ATTEMPTS_MAX);
    assert.equal(bench.core.retry('a', bench.nowMs), true);
    bench.pass(1000);
    assert.equal(bench.begun.length, types.ATTEMPTS_MAX + 1);
  });

  it('knows which version a client could not run, whatever its later orders came to', () => {
    const bench = new Bench();
    bench.connect('a');
    bench.pass(1000);
    const failed = () => bench.core.entries.get('a')?.failedVersion;
    bench.report('a', 'failed', { failure: 'disk-full' });
    assert.equal(failed(), null, 'that says nothing of the version');
    bench.pass(types.RETRY_FIRST_MS * 2);
    bench.report('a', 'rolled-back', { failure: 'does-not-connect' });
    assert.equal(failed(), '2.0.0');
    bench.pass(types.RETRY_FIRST_MS * 4);
    bench.report('a', 'failed', { failure: 'wrong-bytes' });
    assert.equal(failed(), '2.0.0');
  });

  it('takes a claim for nothing when what the client runs is not what was ordered', () => {
    const bench = new Bench();
    bench.connect('a');
    bench.pass(500);
    const order = bench.core.entries.get('a')!.order!.id;
    bench.core.report('a', { order, state: 'done' }, { fits: false, standing: 'behind' }, bench.nowMs);
    assert.equal(bench.state('a'), 'failed');
    assert.equal(bench.core.entries.get('a')?.failure, 'wrong-bytes');
  });

  it('notes an outcome that is told twice once, and voids orders that it did not give', () => {
    const bench = new Bench();
    bench.connect('a', 'b');
    bench.pass(500);
    assert.equal(bench.report('a', 'done'), 'noted');
    assert.equal(bench.report('a', 'done'), 'noted');
    assert.equal(bench.kinds('upgraded').length, 1);
    const strange = { order: 'upg_strange', state: 'downloading' } as const;
    assert.equal(bench.core.report('b', strange, { fits: false, standing: 'behind' }, bench.nowMs), 'cancel');
    assert.equal(bench.state('b'), 'downloading');
  });

  it('gives an order again to a client that does not know it, a few times', () => {
    const bench = new Bench({ haltMinimum: 100 });
    bench.connect('a');
    bench.pass(500);
    for (let round = 0; round < types.RESENDS_MAX; round += 1) bench.connect('a');
    bench.drain();
    assert.equal(bench.kinds('resend').length, types.RESENDS_MAX);
    bench.connect('a');
    bench.drain();
    assert.equal(bench.state('a'), 'failed');
    assert.equal(bench.begun.length, 1);
  });

  it('gives nothing to clients that are unsupported, ahead, current or not approved', () => {
    const bench = new Bench();
    for (const standing of ['unsupported', 'ahead', 'current'] as const)
      bench.core.hello(client(standing, { standing }), NOBODY_SAID, bench.nowMs);
    bench.core.hello(client('stranger', { isEligible: false }), NOBODY_SAID, bench.nowMs);
    bench.pass(5000);
    assert.deepEqual(bench.begun, []);
    assert.deepEqual(bench.state('unsupported'), 'unsupported');
    assert.equal(bench.core.entries.total().total, 3);
  });

  it('goes on after a restart as the rows say', () => {
    const bench = new Bench();
    const order = bench.order();
    const saved = {
      order,
      phase: 'downloading' as const,
      leaseUntilMs: 0,
      outcome: undefined,
      failure: null,
      reason: null,
      endedAtMs: null,
      attempts: 1,
      nextTryAtMs: null,
      failedVersion: null,
      front: 0,
      counted: 1 as const,
    };
    bench.core.add(client('a'), saved, bench.nowMs);
    assert.equal(bench.core.rings[0]!.begun, 1);
    bench.pass(1000);
    assert.deepEqual(bench.begun, []);
    bench.core.hello(client('a'), { ...NOBODY_SAID, report: { order: order.id, state: 'verifying' } }, bench.nowMs);
    bench.drain();
    assert.equal(bench.kinds('resend').length, 0, 'the client knows its order');
    bench.core.hello(client('a', { standing: 'current' }), { ...NOBODY_SAID, fits: true }, bench.nowMs);
    assert.equal(bench.state('a'), 'current');
  });

  it('starts no more in any second than the limit and a quarter of it', () => {
    const bench = new Bench({ maxConcurrent: 1000, maxStartsPerSecond: 8 });
    bench.connect(...Array.from({ length: 100 }, (_, index) => `c${index}`));
    const times: number[] = [];
    for (let step = 0; step < 40; step += 1) {
      bench.pass(250);
      while (times.length < bench.begun.length) times.push(bench.nowMs);
    }
    for (const at of times) assert.ok(times.filter((other) => other >= at && other < at + 1000).length <= 10);
    assert.ok(bench.begun.length >= 79);
  });

  it('spreads clients evenly over shares', () => {
    const shares = Array.from({ length: 10_000 }, () => shareOf(`jc_${crypto.randomUUID()}`));
    for (let tenth = 0; tenth < 10; tenth += 1) {
      const within = shares.filter((share) => Math.floor(share * 10) === tenth).length;
      assert.ok(within > 800 && within < 1200, `${within} in tenth ${tenth}`);
    }
  });
});

const RING_SETS = [
  [{ groupIds: [], percent: 100, waitMs: 0 }],
  [
    { groupIds: ['g0'], percent: 20, waitMs: 0 },
    { groupIds: [], percent: 30, waitMs: 2000 },
    { groupIds: ['g1'], percent: 100, waitMs: 1000 },
  ],
];
const IDS = Array.from({ length: 12 }, (_, index) => `jc_${index}`);
const act = fc.oneof(
  fc.record({
    do: fc.constant('hello' as const),
    who: fc.nat(11),
    standing: fc.constantFrom('behind', 'behind', 'behind', 'unsupported', 'current'),
  }),
  fc.record({ do: fc.constant('offline' as const), who: fc.nat(11) }),
  fc.record({ do: fc.constant('session' as const), who: fc.nat(11), isOn: fc.boolean() }),
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('report' as const),
      who: fc.nat(11),
      state: fc.constantFrom(
        'waiting-for-session',
        'downloading',
        'verifying',
        'restarting',
        'done',
        'done',
        'failed',
        'rolled-back',
      ),
    }),
  },
  fc.record({ do: fc.constant('front' as const), who: fc.nat(11) }),
  fc.record({ do: fc.constant('retry' as const), who: fc.nat(11) }),
  fc.record({
    do: fc.constant('change' as const),
    who: fc.nat(11),
    isEligible: fc.boolean(),
    group: fc.constantFrom(null, 'g0', 'g1'),
  }),
  fc.record({ do: fc.constant('remove' as const), who: fc.nat(11) }),
  fc.record({ do: fc.constant('pause' as const) }),
  fc.record({ do: fc.constant('resume' as const), retryFailed: fc.boolean() }),
  fc.record({ do: fc.constant('open' as const), isOpen: fc.boolean() }),
  fc.record({ do: fc.constant('limits' as const), maxConcurrent: fc.integer({ min: 1, max: 5 }), rings: fc.nat(1) }),
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(250, 1000, 5000, 70_000, 400_000) }),
  },
);

type Act = typeof act extends fc.Arbitrary<infer A> ? A : never;

class Model extends Bench {
  maxConcurrent = LIMITS.maxConcurrent;
  rings = RING_SETS[0]!;

  do(step: Act): void {
    const { core, nowMs } = this;
    const id = 'who' in step ? IDS[step.who]! : '';
    if (step.do === 'hello') {
      const old = core.entries.get(id);
      const isActive = old !== undefined && old.phase !== 'none';
      const standing = isActive ? 'behind' : (step.standing as types.Standing);
      core.hello(
        { ...client(id), groupId: old?.groupId ?? null, isEligible: old?.isEligible ?? true, standing },
        NOBODY_SAID,
        nowMs,
      );
    } else if (step.do === 'offline') core.offline(id, nowMs);
    else if (step.do === 'session') core.session(id, step.isOn, nowMs);
    else if (step.do === 'report') {
      // A client restarts only on an order that stands: what crosses a cancellation is a case of its own.
      const entry = core.entries.get(id);
      if (entry?.isOnline === true && entry.phase !== 'none') this.report(id, step.state as QueueReport['state']);
    } else if (step.do === 'front') core.toFront(id, nowMs);
    else if (step.do === 'retry') core.retry(id, nowMs);
    else if (step.do === 'change') {
      const old = core.entries.get(id);
      if (old) core.change({ ...old, isEligible: step.isEligible, groupId: step.group }, nowMs);
    } else if (step.do === 'remove') core.remove(id, nowMs);
    else if (step.do === 'pause') core.pause(nowMs);
    else if (step.do === 'resume') core.resume(step.retryFailed, nowMs);
    else if (step.do === 'open') core.setOpen(step.isOpen, nowMs);
    else if (step.do === 'limits') {
      this.maxConcurrent = step.maxConcurrent;
      this.rings = RING_SETS[step.rings]!;
      core.setLimits({ ...LIMITS, maxConcurrent: step.maxConcurrent, rings: this.rings }, nowMs);
    } else this.pass(step.ms, step.ms > 10_000 ? 5000 : 250);
    this.drain();
  }

  /** Whoever is begun with could be, and nobody twice. */
  override drain(): void {
    for (const effect of this.core.take()) {
      this.effects.push(effect);
      if (effect.kind !== 'begin') continue;
      const entry = this.core.entries.get(effect.client);
      // Void again within the same step.
      if (entry?.phase !== 'preparing') continue;
      assert.ok(this.core.isRunning, 'begun only while it runs');
      assert.ok(entry.isOnline && entry.isEligible && !entry.inSession && entry.standing === 'behind');
      assert.ok(entry.front > 0 || this.core.rings[entry.ring]!.openedAtMs !== null, 'its ring is open');
      assert.ok(this.core.entries.active.size <= this.maxConcurrent, 'within the limit');
      this.core.begun(effect.client, this.order(), this.nowMs);
    }
  }

  check(): void {
    const counts = this.rings.map(() => ({ ...types.NO_COUNTS }));
    const sums = this.rings.map(() => ({ begun: 0, bad: 0 }));
    let active = 0;
    for (const entry of this.core.entries.all()) {
      count(counts[entry.ring]!, entry, 1);
      if (entry.phase !== 'none') active += 1;
      if (entry.counted > 0) sums[entry.ring]!.begun += 1;
      if (entry.counted === 2) sums[entry.ring]!.bad += 1;
      if (entry.phase !== 'none') assert.ok(entry.dueAtMs !== null, 'every order is looked at again');
    }
    assert.equal(this.core.entries.active.size, active);
    for (const [index, ring] of this.core.rings.entries()) {
      assert.deepEqual(this.core.entries.counts(index), counts[index]);
      assert.deepEqual({ begun: ring.begun, bad: ring.bad }, sums[index]);
    }
    for (const [id] of this.core.entries.places()) assert.equal(this.core.entries.get(id)?.phase, 'none');
  }
}

describe('the upgrade queue, whatever happens', () => {
  it('keeps its limits and its counts', () => {
    fc.assert(
      fc.property(fc.array(act, { minLength: 1, maxLength: 80 }), (acts) => {
        const model = new Model();
        model.connect(...IDS);
        for (const step of acts) {
          model.do(step);
          model.check();
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gets everybody upgraded in the end, when nothing stands in the way any more', () => {
    fc.assert(
      fc.property(fc.array(act, { minLength: 1, maxLength: 60 }), (acts) => {
        const model = new Model();
        model.connect(...IDS);
        for (const step of acts) model.do(step);
        const { core } = model;
        core.setOpen(true, model.nowMs);
        core.resume(true, model.nowMs);
        for (const id of IDS) {
          core.change({ ...client(id), standing: 'behind' }, model.nowMs);
          core.session(id, false, model.nowMs);
        }
        for (let round = 0; round < 400 && core.entries.total().current < IDS.length; round += 1) {
          for (const id of IDS)
            if (core.entries.get(id)!.phase === 'none')
              core.hello(client(id, { standing: core.entries.get(id)!.standing }), NOBODY_SAID, model.nowMs);
          model.pass(5000, 1000);
          for (const id of IDS) if (core.entries.get(id)!.phase !== 'none') model.report(id, 'done');
        }
        assert.equal(core.entries.total().current, IDS.length);
      }),
      { numRuns: 100 },
    );
  });
});
