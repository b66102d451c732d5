/** When backups are due, which ones go, and who is told: with a given clock and without a program. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import { createLog } from '@bascule/log/log.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { backupMigrations } from './backup-migrations.ts';
import { scheduleNoted } from './backup-events.ts';
import { fileNameOf, leftOutOf } from './backup-making.ts';
import { checkFolder } from './backup-place.ts';
import { expiredBackups } from './backup-retention.ts';
import { Schedule } from './backup-schedule.ts';
import { readBackup, readBackups, writeBackup, type KeptBackup } from './backup-store.ts';
import { nextDue } from './backup-times.ts';
import { ALL } from './testing.ts';

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;
/** A Thursday. */
const NOON_MS = Date.UTC(2026, 0, 1, 12);

function backup(changes: Partial<KeptBackup> = {}): KeptBackup {
  return {
    id: newId('backup', changes.madeAtMs),
    state: 'restorable',
    problem: null,
    madeAtMs: NOON_MS,
    madeBy: 'schedule',
    reason: 'schedule',
    appliance: 'alpha',
    siteVersion: '0.5.0',
    destination: 'here',
    destinationName: 'this appliance',
    fileName: '20260101T120000Z-0123456789ab.bascule-backup',
    bytes: 1,
    sha256: 'a'.repeat(64),
    isEncrypted: false,
    include: ALL,
    parts: [],
    leftOut: [],
    checkedAtMs: null,
    checkMs: null,
    auditSequence: 1,
    ...changes,
  };
}

describe('a schedule of backups', () => {
  it('is due at its time in UTC', () => {
    const at = (text: string) => Date.parse(text);
    assert.equal(nextDue({ kind: 'daily', atMinute: 120 }, NOON_MS), at('2026-01-02T02:00Z'));
    assert.equal(nextDue({ kind: 'daily', atMinute: 13 * 60 }, NOON_MS), at('2026-01-01T13:00Z'));
    assert.equal(nextDue({ kind: 'daily', atMinute: 12 * 60 }, NOON_MS), at('2026-01-02T12:00Z'));
    assert.equal(nextDue({ kind: 'weekly', weekday: 0, atMinute: 0 }, NOON_MS), at('2026-01-04T00:00Z'));
    assert.equal(nextDue({ kind: 'weekly', weekday: 4, atMinute: 0 }, NOON_MS), at('2026-01-08T00:00Z'));
    assert.equal(nextDue({ kind: 'hours', everyHours: 6 }, NOON_MS), NOON_MS + 6 * HOUR_MS);
  });

  it('makes what is due once, also when the appliance was off, and says when one is missing, once', async () => {
    using opened = openTestStore(backupMigrations);
    const { store } = opened;
    const clock = { nowMs: NOON_MS };
    const mails: string[] = [];
    const made: (string | undefined)[] = [];
    const schedule = new Schedule({
      store,
      keyWrap: { wrap: (secret) => Buffer.from(secret).reverse(), unwrap: (wrapped) => Buffer.from(wrapped).reverse() },
      mail: { tell: (event) => void mails.push(event.kind === 'needs-attention' ? event.what : event.kind) },
      page: () => '',
      async make(_settings, password) {
        made.push(password);
        const making = backup({ state: 'making', madeAtMs: clock.nowMs });
        store.transact(testContext, scheduleNoted({}), (tx) => writeBackup(tx, making));
      },
      log: createLog('test', 'silent'),
      now: () => clock.nowMs,
    });
    const include = { ...ALL, recordings: false };
    const change = {
      isOn: true,
      times: { kind: 'daily' as const, atMinute: 120 },
      include,
      destination: 'here' as const,
      retention: { count: 3, days: null },
    };
    assert.equal(schedule.nextAtMs(), null);
    assert.equal(schedule.change(testContext, { ...change, password: 'a long enough password' }).hasPassword, true);
    await schedule.look();
    assert.deepEqual(made, []);
    clock.nowMs += 5 * DAY_MS;
    await schedule.look();
    await schedule.look();
    assert.deepEqual(made, ['a long enough password']);
    assert.equal(schedule.problem(), null, 'the one that was just begun is waited for');
    clock.nowMs += 27 * HOUR_MS;
    assert.equal(schedule.problem()?.code, 'BACKUP_OVERDUE');
    await schedule.look();
    await schedule.look();
    assert.deepEqual([mails.length, made.length], [2, 2]);
    assert.match(mails[0] ?? '', /was due at 2026-01-02T02:00/);
    assert.match(mails[1] ?? '', /was due at 2026-01-07T02:00/);
    store.transact(testContext, scheduleNoted({}), (tx) => writeBackup(tx, backup({ madeAtMs: clock.nowMs + 1 })));
    clock.nowMs += 13 * HOUR_MS;
    assert.equal(schedule.problem(), null);
    schedule.change(testContext, { ...change, isOn: false, password: null });
    assert.deepEqual([schedule.nextAtMs(), schedule.settings().hasPassword], [null, false]);
    assert.throws(() => schedule.change(testContext, { ...change, destination: newId('backupDestination') }), {
      code: 'BACKUP_DESTINATION_UNKNOWN',
    });
  });
});

describe('retention', () => {
  const here = { appliance: 'alpha', nowMs: NOON_MS };
  const ages = (days: number[], changes: Partial<KeptBackup> = {}) =>
    days.map((age) => backup({ ...changes, madeAtMs: NOON_MS - age * DAY_MS }));
  const left = (list: KeptBackup[], retention: { count: number | null; days: number | null }) => {
    const gone = expiredBackups(list, { retention, destination: 'here' }, here);
    return list.filter((one) => !gone.includes(one)).map(({ madeAtMs }) => (NOON_MS - madeAtMs) / DAY_MS);
  };

  it('keeps the newest by number and by age, and the last restorable one always', () => {
    assert.deepEqual(left(ages([0, 1, 2, 3]), { count: 2, days: null }), [0, 1]);
    assert.deepEqual(left(ages([0, 1, 2, 3]), { count: null, days: 1 }), [0, 1]);
    assert.deepEqual(left(ages([30, 40]), { count: null, days: 7 }), [30]);
    assert.deepEqual(left([...ages([0, 1], { state: 'failed' }), ...ages([30, 40])], { count: 1, days: 7 }), [0, 1, 30]);
  });

  it('touches nothing that a person made, that lies elsewhere, or is another appliance’s', () => {
    const others = [
      ...ages([9], { reason: 'person' }),
      ...ages([9], { destination: 'elsewhere' }),
      ...ages([9], { appliance: 'beta' }),
    ];
    assert.equal(
      expiredBackups([...ages([0]), ...others], { retention: { count: 1, days: 1 }, destination: 'here' }, here).length,
      0,
    );
  });
});

it('rows that name anything but a backup of ours are passed over', () => {
  using opened = openTestStore(backupMigrations);
  const { store } = opened;
  const own = backup({ fileName: fileNameOf(newId('backup'), NOON_MS, true) });
  const unfit = ['../box/account.key', '../keys/site.key', 'site.db', `${own.fileName}/../../x`, `${own.fileName}\n`];
  const made = unfit.map((fileName) => ({ ...backup({ state: 'failed', sha256: null }), fileName }));
  store.transact(testContext, scheduleNoted({}), (tx) => {
    writeBackup(tx, own);
    assert.throws(() => writeBackup(tx, made[0]!));
    for (const { id, fileName } of made)
      tx.run(
        `INSERT INTO backups SELECT ?, 'failed', reason, appliance, destination, ?, made_at_ms, audit_sequence, json_set(record, '$.sha256', NULL) FROM backups WHERE id = ?`,
        id,
        fileName,
        own.id,
      );
  });
  const told: string[] = [];
  const read = readBackups(store, (id) => told.push(id));
  assert.deepEqual(read, [own]);
  assert.deepEqual(told.toSorted(), made.map(({ id }) => id).toSorted());
  for (const { id } of made) assert.equal(readBackup(store, id), undefined);
});

it('what is left out is named, with its reason', () => {
  assert.deepEqual(leftOutOf(ALL, true), [{ what: 'vault-key', why: 'never' }]);
  assert.deepEqual(
    leftOutOf({ history: false, files: true, recordings: false, boxSettings: false }, false).map(
      ({ what, why }) => `${what} ${why}`,
    ),
    ['history not-chosen', 'recordings not-chosen', 'box-settings not-chosen', 'identity no-password', 'vault-key never'],
  );
});

it('a folder for backups is absolute, there, and outside the data directory', async () => {
  const home = mkdtempSync(join(tmpdir(), 'bascule-home-'));
  const elsewhere = mkdtempSync(join(tmpdir(), 'bascule-elsewhere-'));
  try {
    mkdirSync(join(home, 'inside'));
    symlinkSync(join(home, 'inside'), join(elsewhere, 'link'));
    writeFileSync(join(elsewhere, 'file'), '');
    await checkFolder(elsewhere, home);
    for (const path of [
      'backups',
      join(elsewhere, 'missing'),
      join(elsewhere, 'file'),
      home,
      join(home, 'inside'),
      join(elsewhere, 'link'),
    ])
      await assert.rejects(checkFolder(path, home), { code: 'BACKUP_PLACE_FAILED' }, path);
  } finally {
    for (const folder of [home, elsewhere]) rmSync(folder, { recursive: true });
  }
});
