import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { createLog } from '@bascule/log/log.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { BoxDocument, Changes, changeMigrations, type Arrival } from './changes.ts';

const log = createLog('test', 'silent');
const changed = defineAuditEvent<{ to: number }>('TEST_CHANGED', 'Changed to {to}');
const arrival = (sinceMs: number): Arrival => ({ address: '192.0.2.1', localAddress: '192.0.2.2', sinceMs });
const isUndone = /TEST_CHANGED,CHANGE_UNDONE$/;

/** base, as far as changes go: one number, which the machine follows. */
function bench(options: { confirmWithinMs?: number } = {}) {
  const test = openTestStore(changeMigrations);
  const clock = { nowMs: 1_000_000 };
  const machine = { value: 0, fails: false, applied: 0, pendingWhenApplied: false };
  const document = new BoxDocument('number', z.number(), 0);
  const open = () => {
    const changes = new Changes({ store: test.store, log, now: () => clock.nowMs, ...options });
    changes.register({
      kind: 'number',
      schema: z.number(),
      restore: (tx, before) => document.write(tx, before),
      applied() {
        machine.applied += 1;
        const wanted = document.read(test.store);
        machine.pendingWhenApplied = changes.pending() !== null;
        if (machine.fails && wanted !== 0) throw new Error('the machine refuses');
        machine.value = wanted;
      },
    });
    const make = (value: number, mightCut = true, accepted = true): Promise<void> =>
      changes.make(
        testContext,
        {
          event: changed({ to: value }),
          write: (tx) => document.write(tx, value),
          parts: [{ kind: 'number', before: document.read(test.store) }],
          about: String(value),
        },
        { mightCut, accepted },
      );
    return { changes, make };
  };
  const codes = (): string =>
    test.store
      .all<{ code: string }>('SELECT code FROM audit_event ORDER BY sequence')
      .map(({ code }) => code)
      .join();
  const stored = (): number => document.read(test.store);
  return { ...open(), open, clock, machine, codes, stored, [Symbol.dispose]: () => test[Symbol.dispose]() };
}

describe('a change', () => {
  it('that cuts nobody simply stays', async () => {
    using test = bench();
    await test.make(1, false, false);
    assert.deepEqual([test.machine.value, test.changes.pending()], [1, null]);
    assert.throws(() => test.changes.confirm(testContext, arrival(performance.now())), { code: 'CHANGE_NOTHING_PENDING' });
    await assert.rejects(test.changes.undo(testContext), { code: 'CHANGE_NOTHING_PENDING' });
  });

  it('that might cut its maker is refused until they were told', async () => {
    using test = bench();
    await assert.rejects(test.make(1, true, false), { code: 'CHANGE_MIGHT_CUT', params: { seconds: 60 } });
    assert.deepEqual([test.machine.applied, test.stored(), test.codes()], [0, 0, '']);
  });

  it('is written down with its undoing before it takes effect', async () => {
    using test = bench();
    await test.make(1);
    assert.equal(test.machine.pendingWhenApplied, true);
    const { kinds, about, madeBy, leftMs } = test.changes.pending()!;
    assert.deepEqual([kinds, about, madeBy, leftMs], [['number'], '1', 'test', 60_000]);
    test.changes.close();
  });

  it('is kept by a connection from after it, and by no other', async () => {
    using test = bench();
    const before = performance.now();
    let renewed = 0;
    test.changes.onTakenEffect(() => (renewed += 1));
    await test.make(1);
    assert.equal(renewed, 1);
    assert.throws(() => test.changes.confirm(testContext, arrival(before)), { code: 'CHANGE_CONFIRM_ANEW' });
    test.changes.confirm(testContext, arrival(performance.now()));
    assert.deepEqual([test.machine.value, test.changes.pending()], [1, null]);
    assert.match(test.codes(), /TEST_CHANGED,CHANGE_CONFIRMED$/);
  });

  it('is undone by itself when nobody keeps it', async () => {
    using test = bench({ confirmWithinMs: 20 });
    await test.make(1);
    await waitUntil('it is undone', () => test.machine.value === 0 && test.changes.pending() === null);
    assert.match(test.codes(), isUndone);
  });

  it('is undone at once on demand', async () => {
    using test = bench();
    await test.make(1);
    await test.changes.undo(testContext);
    assert.deepEqual([test.machine.value, test.stored(), test.changes.pending()], [0, 0, null]);
  });

  it('keeps all others out until it is decided', async () => {
    using test = bench();
    await test.make(1);
    await assert.rejects(test.make(2, false), { code: 'CHANGE_PENDING' });
    assert.equal(test.stored(), 1);
    await test.changes.undo(testContext);
    await test.make(2, false);
    assert.equal(test.machine.value, 2);
  });

  it('is undone at once by the next start, when its time was over meanwhile', async () => {
    using test = bench();
    await test.make(1);
    test.changes.close();
    test.clock.nowMs += 60_000;
    const later = test.open();
    later.changes.start();
    assert.deepEqual([test.stored(), test.machine.value, later.changes.pending()], [0, 0, null]);
  });

  it('waits on over a restart, and any connection keeps it then', async () => {
    using test = bench();
    await test.make(1);
    test.changes.close();
    test.clock.nowMs += 59_000;
    const later = test.open();
    later.changes.start();
    assert.equal(later.changes.pending()?.leftMs, 1_000);
    later.changes.confirm(testContext, arrival(0));
    assert.deepEqual([test.stored(), later.changes.pending()], [1, null]);
  });

  it('waits no longer than it would have, when the clock was set back', async () => {
    using test = bench({ confirmWithinMs: 20 });
    await test.make(1);
    test.changes.close();
    test.clock.nowMs -= 24 * 60 * 60_000;
    const later = test.open();
    later.changes.start();
    await waitUntil('it is undone', () => test.stored() === 0);
  });

  it('that the machine refuses is undone at once, also one that cuts nobody', async () => {
    for (const mightCut of [true, false]) {
      using test = bench();
      test.machine.fails = true;
      await assert.rejects(test.make(1, mightCut), /the machine refuses/);
      await waitUntil('it is undone', () => test.stored() === 0);
      assert.equal(test.changes.pending(), null);
      assert.match(test.codes(), isUndone);
    }
  });
});
