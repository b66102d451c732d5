/** All SQL of the backup domain. */
import { z } from 'zod';
import { backupDestination, backupRecord, backupSchedule } from '@bascule/protocol/api/backup.ts';
import type { Reader, Tx } from '@bascule/store/store.ts';
import { backupFileName } from './backup-order.ts';

/** A record as it is kept: where it stands in the audit beside what pages see. */
const keptBackup = backupRecord.omit({ isHere: true }).extend({
  fileName: backupFileName,
  /** The newest event of the audit that it holds; null until its state was copied. */
  auditSequence: z.number().int().nullable(),
  /** For which upgrade it was made: base asks again and again, also after a restart. */
  upgradeKey: z.string().optional(),
});
export type KeptBackup = z.infer<typeof keptBackup>;

interface Row {
  id: string;
  state: string;
  reason: string;
  appliance: string;
  destination: string;
  fileName: string;
  madeAtMs: number;
  auditSequence: number | null;
  record: string;
}
const COLUMNS =
  'id, state, reason, appliance, destination, file_name AS fileName, made_at_ms AS madeAtMs, audit_sequence AS auditSequence, record';
/** More are not shown; retention removes them long before. */
const SHOWN_MAX = 2000;

/** Newest first; `unfit` is told of rows that no program of ours wrote, which are passed over. */
export function readBackups(reader: Reader, unfit: (id: string) => void = () => undefined): KeptBackup[] {
  return reader.all<Row>(`SELECT ${COLUMNS} FROM backups ORDER BY id DESC LIMIT ?`, SHOWN_MAX).flatMap((row) => {
    const backup = backupOf(row);
    if (backup === undefined) unfit(String(row.id).slice(0, 100));
    return backup ?? [];
  });
}

/** Undefined also for a row that no program of ours wrote. */
export function readBackup(reader: Reader, id: string): KeptBackup | undefined {
  const row = reader.get<Row>(`SELECT ${COLUMNS} FROM backups WHERE id = ?`, id);
  return row === undefined ? undefined : backupOf(row);
}

export function writeBackup(tx: Tx, backup: KeptBackup): void {
  const { id, state, reason, appliance, destination, fileName, madeAtMs, auditSequence, ...record } = keptBackup.parse(backup);
  tx.run(
    `INSERT INTO backups (id, state, reason, appliance, destination, file_name, made_at_ms, audit_sequence, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET state = excluded.state, audit_sequence = excluded.audit_sequence, record = excluded.record`,
    id,
    state,
    reason,
    appliance,
    destination,
    fileName,
    madeAtMs,
    auditSequence,
    JSON.stringify(record),
  );
}

export function removeBackup(tx: Tx, id: string): void {
  tx.run('DELETE FROM backups WHERE id = ?', id);
}

function backupOf({ record, ...row }: Row): KeptBackup | undefined {
  try {
    return keptBackup.parse({ ...(JSON.parse(record) as object), ...row });
  } catch {
    return undefined;
  }
}

/** Codes of people's doings that change no setting: nothing is lost with them that a new backup would keep. */
const NO_CHANGE =
  /^(ACCESS_|ACCOUNT_(LOGGED|LOGIN|SECOND_FACTOR_PASSED|SEEN|USED|LOCKED)|API_TOKEN_(USE|REFUSED)|AUDIT_|BACKUP_|CARRIED_|CONSOLE_LOGIN|FLEET_EXPORTED|FILE_STORE_DOWNLOADED|STORED_FILE_DOWNLOADED|MAIL_TEST|RECORDING|REHEARSAL_|REPORTS_|RESTORE_|VAULT_KEY_DOWNLOADED|[A-Z_]*_(REFUSED|NOTED|DOWNLOADED|EXPORTED))/;
const PEOPLE = ['user', 'box-administrator'];
const EVENTS_IN_A_STEP = 500;
/** Further back nothing is counted one by one; nobody needs the exact number any more. */
const EVENTS_LOOKED_AT_MAX = 20_000;

export interface ConfigurationChange {
  row: number;
  atMs: number;
  actor: string;
  text: string;
}

/** What people changed after event `sequence` of the audit, newest first, beginning below `before` (B189). */
export function* changesAfter(
  reader: Reader,
  sequence: number,
  before = Number.MAX_SAFE_INTEGER,
): Generator<ConfigurationChange> {
  type Event = { row: number; code: string; atMs: number; actorKind: string; actor: string; text: string };
  let below = before;
  for (let looked = 0; looked < EVENTS_LOOKED_AT_MAX; looked += EVENTS_IN_A_STEP) {
    const events = reader.all<Event>(
      'SELECT sequence AS row, code, at_ms AS atMs, actor_kind AS actorKind, actor_name AS actor, summary AS text FROM audit_event WHERE sequence > ? AND sequence < ? ORDER BY sequence DESC LIMIT ?',
      sequence,
      below,
      EVENTS_IN_A_STEP,
    );
    for (const { code, actorKind, ...change } of events) if (PEOPLE.includes(actorKind) && !NO_CHANGE.test(code)) yield change;
    if (events.length < EVENTS_IN_A_STEP) return;
    below = events.at(-1)?.row ?? 0;
  }
}

export const keptSchedule = backupSchedule.omit({ hasPassword: true });
export type KeptSchedule = z.infer<typeof keptSchedule>;
export interface ScheduleRow {
  settings: KeptSchedule;
  password: Uint8Array | null;
  /** When it was last followed, or set. */
  followedAtMs: number;
  /** The time at which a backup was due of which somebody was told that it is missing. */
  toldDueMs: number;
}

export function readSchedule(reader: Reader): ScheduleRow | undefined {
  const row = reader.get<Omit<ScheduleRow, 'settings'> & { settings: string }>(
    'SELECT settings, password, followed_at_ms AS followedAtMs, told_due_ms AS toldDueMs FROM backup_schedule WHERE one = 1',
  );
  return row === undefined ? undefined : { ...row, settings: keptSchedule.parse(JSON.parse(row.settings)) };
}

export function writeSchedule(tx: Tx, { settings, password, followedAtMs, toldDueMs }: ScheduleRow): void {
  tx.run(
    `INSERT INTO backup_schedule (one, settings, password, followed_at_ms, told_due_ms) VALUES (1, ?, ?, ?, ?)
     ON CONFLICT (one) DO UPDATE SET settings = excluded.settings, password = excluded.password, followed_at_ms = excluded.followed_at_ms, told_due_ms = excluded.told_due_ms`,
    JSON.stringify(settings),
    password,
    followedAtMs,
    toldDueMs,
  );
}

export const keptDestination = backupDestination;
export type KeptDestination = z.infer<typeof keptDestination> & { secret: Uint8Array | null };

export function readDestinations(reader: Reader): KeptDestination[] {
  return reader
    .all<{ id: string; name: string; place: string; secret: Uint8Array | null }>(
      'SELECT id, name, place, secret FROM backup_destinations ORDER BY id',
    )
    .map(({ secret, place, ...row }) => ({ ...keptDestination.parse({ ...row, place: JSON.parse(place) }), secret }));
}

export function writeDestination(tx: Tx, { id, name, place, secret }: KeptDestination): void {
  tx.run(
    `INSERT INTO backup_destinations (id, name, place, secret) VALUES (?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, place = excluded.place, secret = excluded.secret`,
    id,
    name,
    JSON.stringify(place),
    secret,
  );
}

export function removeDestination(tx: Tx, id: string): void {
  tx.run('DELETE FROM backup_destinations WHERE id = ?', id);
}
