/**
 * A peer that is not what it should be: its clock is another, its disk is full, it was away for months, its folder is one of long ago, or it claims an epoch that nobody gave it. Whatever it is, what was
 * answered for stays, and it writes nothing that the other side does not know of (I4, I5). With `npm run faults` only; the same rules are tried within one process in apps/site/src/failover.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, chmodSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { FaultyDisk, whyNoFaultyDisk } from '@bascule/testkit/faulty-disk.ts';
import { MovedClock } from '@bascule/testkit/moved-clock.ts';
import { createdName } from '@bascule/testkit/pair-changes.ts';
import { powerOn } from '@bascule/testkit/pair-faults.ts';
import { PairScene, type PairSide } from '@bascule/testkit/pair-scene.ts';
import { missingAt } from '@bascule/testkit/pair-writer.ts';

const skip = process.env['BASCULE_FAULTS'] === 'all' ? false : 'only with `npm run faults`';
const HOUR_MS = 3_600_000;
const MONTHS_MS = 90 * 24 * HOUR_MS;
/** Establishing wants room for the database, and some more. */
const DISK_MB = 1500;
const CHANGES = 10;
/** Time for a peer that is wrong to do whatever it would do: nothing is waited for that has to come. */
const QUIET_MS = 8000;

describe('strange peers', { concurrency: false, skip }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-strange-'));
  const noDisk = whyNoFaultyDisk();
  let disk: FaultyDisk | undefined;
  let clocks: { a: MovedClock; b: MovedClock };
  let scene: PairScene;
  let a: PairSide;
  let b: PairSide;
  const made: string[] = [];

  before(async () => {
    chmodSync(directory, 0o755);
    if (noDisk === undefined) disk = new FaultyDisk(join(directory, 'disk'), DISK_MB);
    const clockOf = (name: string) => {
      const folder = mkdtempSync(join(directory, `${name}-`));
      chmodSync(folder, 0o755);
      return new MovedClock(folder);
    };
    clocks = { a: clockOf('a'), b: clockOf('b') };
    scene = await PairScene.start(
      {},
      {
        a: { environment: clocks.a.environment },
        b: { environment: clocks.b.environment, ...(disk !== undefined && { directory: disk.directory }) },
      },
    );
    ({ a, b } = scene);
    await scene.establish();
  });
  after(async () => {
    await scene?.[Symbol.asyncDispose]();
    await disk?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Changes at `side`, all answered for. */
  async function change(side: PairSide): Promise<void> {
    for (let number = 0; number < CHANGES; number += 1) {
      const name = `change ${made.length}`;
      await createdName(side, name);
      made.push(name);
    }
  }

  async function assertKept(primary: PairSide): Promise<void> {
    assert.deepEqual(await missingAt(primary, made), []);
    const backup = scene.other(primary);
    await backup.until('follows', ({ self, copy }) => self.role === 'backup' && copy?.state === 'following');
    await scene.caughtUp(primary);
    const states = await Promise.all([primary.state(), backup.state()]);
    assert.deepEqual(
      states.map(({ conflict }) => conflict),
      [null, null],
    );
  }

  it('has another clock: the page says so, and changes and swaps work as ever', async () => {
    for (const movedMs of [HOUR_MS, -HOUR_MS]) {
      clocks.b.move(movedMs);
      await a.until('shows the clock of the other side', ({ alarms }) => alarms.some(({ code }) => code === 'clock'));
      await change(a);
      await assertKept(a);
      assert.equal(await scene.swap(), b);
      await change(b);
      await assertKept(b);
      assert.equal(await scene.swap(), a);
      await assertKept(a);
    }
    clocks.b.move(0);
    await a.until('is content with the clock', ({ alarms }) => alarms.every(({ code }) => code !== 'clock'));
  });

  it(
    'has a full disk: the page says so, the primary goes on, and the copy goes on when there is room',
    { skip: noDisk },
    async () => {
      assert.ok(disk !== undefined);
      disk.fill();
      await change(a);
      await b.appliance.pid('site');
      const stopped = await a.until('has a backup that is behind', ({ copy }) => (copy?.lagChanges ?? 0) > 0);
      assert.ok(stopped.exposure !== null && stopped.exposure.changes > 0);
      disk.free();
      await assertKept(a);
    },
  );

  it('is switched on after months: it has everything a moment later', async () => {
    await b.appliance.die();
    clocks.a.move(MONTHS_MS);
    clocks.b.move(MONTHS_MS);
    await change(a);
    await powerOn(b.appliance);
    await assertKept(a);
  });

  it('is a backup whose folder is put back from long ago: it follows from there', async () => {
    await b.appliance.die();
    const old = foldedAway(b);
    await powerOn(b.appliance);
    await change(a);
    await assertKept(a);
    await b.appliance.die();
    putBack(b, old);
    await powerOn(b.appliance);
    await assertKept(a);
  });

  it('is a primary whose folder is put back from long ago: it writes nothing, and a person keeps the newer side', async () => {
    await a.appliance.die();
    const old = foldedAway(a);
    await powerOn(a.appliance);
    await a.until('is followed', ({ copy }) => copy?.state === 'following');
    await change(a);
    await assertKept(a);
    await a.appliance.die();
    putBack(a, old);
    await powerOn(a.appliance);
    const state = await a.until('is read-only', ({ self }) => self.role === 'read-only');
    assert.equal(state.readOnly, 'restored');
    await assert.rejects(createdName(a, 'not here'));
    const shown = await b.until('shows both sides', ({ conflict }) => conflict?.sides.length === 2);
    assert.equal(shown.conflict?.recommended, 'south');
    await b.act('fix', { keep: 'south' });
    await b.until('is primary', ({ self }) => self.role === 'primary');
    await assertKept(b);
    assert.equal(await scene.swap(), a);
    await assertKept(a);
  });

  it('claims an epoch that nobody gave it: nobody believes it, and it writes nothing', async () => {
    const { epoch } = (await a.state()).self;
    await b.appliance.die();
    claim(b, epoch + 90);
    await powerOn(b.appliance);
    await delay(QUIET_MS);
    const [atA, atB] = await Promise.all([a.state(), b.state()]);
    assert.deepEqual([atA.self.role, atA.self.epoch], ['primary', epoch]);
    assert.notEqual(atB.self.role, 'primary');
    await assert.rejects(createdName(b, 'by a false epoch'));
    await change(a);
    await a.act('break');
    await b.until('is without a relationship', ({ self }) => self.role === 'read-only');
    await scene.establish(a);
    await assertKept(a);
  });

  /** A copy of all that an appliance that is off has. */
  function foldedAway(side: PairSide): string {
    const copy = `${side.appliance.home}.old`;
    // With owners: the programs are another user's where the tests run as root.
    execFileSync('cp', ['-a', side.appliance.home, copy]);
    return copy;
  }

  function putBack(side: PairSide, copy: string): void {
    const { home } = side.appliance;
    assert.ok(existsSync(copy));
    rmSync(home, { recursive: true });
    renameSync(copy, home);
  }

  /** As if it had been told that it is primary by a statement that is signed by nobody. */
  function claim(side: PairSide, epoch: number): void {
    using database = new DatabaseSync(side.appliance.paths.site.pairDatabase);
    const row = database.prepare("SELECT value FROM pair_values WHERE name = 'self'").get();
    const self = JSON.parse(String(row?.['value'])) as { statement: { statement: string } };
    const statement = { ...(JSON.parse(self.statement.statement) as object), epoch };
    const next = {
      ...self,
      role: 'primary',
      epoch,
      statement: { ...self.statement, statement: JSON.stringify(statement) },
    };
    database.prepare("UPDATE pair_values SET value = ? WHERE name = 'self'").run(JSON.stringify(next));
  }
});
