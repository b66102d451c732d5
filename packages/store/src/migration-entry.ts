/** Migrations as entries of the change log: a follower may be given one that its software does not know (change-log 3.3). */
import { createHash } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import type { ChangeLogEntry, MigrationNote } from './change-log.ts';
import { isPlainAddition } from './plain-addition.ts';
import { newer } from './sql-error.ts';
import type { Migration } from './transaction.ts';

/** Names are at most this long, also those that come from elsewhere. */
const NAME_MAX_CHARACTERS = 200;
const NOTE_FIELDS = ['version', 'name', 'sha256', 'up'];

/** The hash by which a migration that was applied is recognised. */
export function migrationHash(migration: Migration): string {
  return createHash('sha256')
    .update(JSON.stringify([migration.version, migration.name, migration.up]))
    .digest('hex');
}

/** What the entry of `migration` holds (change-log 2.2): its SQL too when every follower may run it. */
export function migrationNote(migration: Migration): Uint8Array {
  const note: MigrationNote = { version: migration.version, name: migration.name, sha256: migrationHash(migration) };
  if (migration.additive !== false && isPlainAddition(migration.up)) note.up = migration.up;
  return Buffer.from(JSON.stringify(note));
}

/**
 * The migration that `entry` orders: ours of that number if it reads the same, else the one that the entry carries, if its SQL does nothing but add tables, indexes and columns.
 * Throws `STORE_NEWER` for any other, `STORE_LOG_BROKEN` for what is no note of a migration.
 */
export function migrationOf(entry: ChangeLogEntry, known: Migration[], path: string): Migration {
  const note = readNote(entry);
  const { version, name, sha256, up } = note;
  const own = known.find((candidate) => candidate.version === version);
  if (own !== undefined) {
    if (migrationHash(own) === sha256) return own;
    throw newer(path, `migration ${version} '${name}', which reads otherwise here`);
  }
  const carried = up === undefined ? undefined : { version, name, up };
  if (carried === undefined || migrationHash(carried) !== sha256 || !isPlainAddition(carried.up))
    throw newer(path, `migration ${version} '${name}'`);
  return carried;
}

function readNote(entry: ChangeLogEntry): MigrationNote {
  let note: unknown;
  try {
    note = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(entry.bytes));
  } catch {
    throw noNote(entry);
  }
  if (typeof note !== 'object' || note === null || Array.isArray(note)) throw noNote(entry);
  const { version, name, sha256, up } = note as Record<string, unknown>;
  const isNote =
    Object.keys(note).every((field) => NOTE_FIELDS.includes(field)) &&
    Number.isSafeInteger(version) &&
    typeof name === 'string' &&
    name.length <= NAME_MAX_CHARACTERS &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    (up === undefined || typeof up === 'string');
  if (!isNote) throw noNote(entry);
  return { version: version as number, name, sha256, ...(up !== undefined && { up }) };
}

function noNote(entry: ChangeLogEntry): AppError {
  return new AppError(
    'conflict',
    'STORE_LOG_BROKEN',
    `Entry ${entry.seq} of the change log names no migration: nothing was changed. Take a snapshot.`,
  );
}
