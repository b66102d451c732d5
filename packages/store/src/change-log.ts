/**
 * The change log (docs/spec/change-log.md): one entry per transaction, written in that transaction, so that an entry exists exactly
 * when its rows do. Phantom possible (committed, but the caller never heard of it), hole never.
 */
import { createHash } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import { ENTRY_HEAD_BYTES, ENTRY_MAX_BYTES } from './entry-limits.ts';
import type { Connection } from './connection.ts';
import type { Reader } from './transaction.ts';

export const NO_HASH: Uint8Array = new Uint8Array(32);
const DOMAIN = Buffer.from('bascule-change/1\0');
/** change-log 2.3: kinds in the hash and on the wire. */
export const KIND_CODE = { change: 1, migration: 2 } as const;

/** What an entry holds: a changeset, or the number, name and hash of a migration as JSON. */
export type EntryKind = keyof typeof KIND_CODE;

export interface ChangeLogEntry {
  seq: number;
  epoch: number;
  /** The number of migrations in force after this entry. */
  schema: number;
  atMs: number;
  kind: EntryKind;
  previous: Uint8Array;
  hash: Uint8Array;
  bytes: Uint8Array;
}

/** What a log entry of kind `migration` holds, as JSON. */
export interface MigrationNote {
  version: number;
  name: string;
  sha256: string;
  /** Its SQL, when it only adds: for followers whose software does not know it (change-log 3.3). */
  up?: string;
}

/** The newest entry of a log, and what is in force after it. */
export interface LogHead {
  seq: number;
  hash: Uint8Array;
  epoch: number;
  schema: number;
}

const COLUMNS = 'seq, epoch, schema, at_ms AS atMs, kind, previous, hash, bytes';

/** change-log 2.3: SHA-256 over the domain, the entry before, the numbers as u64 and the bytes. */
export function hashEntry(entry: Omit<ChangeLogEntry, 'hash'>): Uint8Array {
  const head = Buffer.alloc(33);
  head.writeBigUInt64BE(BigInt(entry.seq), 0);
  head.writeBigUInt64BE(BigInt(entry.epoch), 8);
  head.writeBigUInt64BE(BigInt(entry.schema), 16);
  head.writeBigUInt64BE(BigInt(entry.atMs), 24);
  head.writeUInt8(KIND_CODE[entry.kind], 32);
  return createHash('sha256').update(DOMAIN).update(entry.previous).update(head).update(entry.bytes).digest();
}

/** The newest entry's number and hash; before the first: 0 and zeros. */
export function logHead(reader: Reader): { seq: number; hash: Uint8Array } {
  return (
    reader.get<{ seq: number; hash: Uint8Array }>('SELECT seq, hash FROM change_log ORDER BY seq DESC LIMIT 1') ?? {
      seq: 0,
      hash: NO_HASH,
    }
  );
}

/** Appends an entry to the log, within the transaction that is open on `connection`. Throws `STORE_ENTRY_TOO_LARGE`. */
export function appendEntry(
  connection: Connection,
  what: Pick<ChangeLogEntry, 'epoch' | 'schema' | 'atMs' | 'kind' | 'bytes'>,
): ChangeLogEntry {
  const head = logHead(connection);
  if (ENTRY_HEAD_BYTES + what.bytes.length > ENTRY_MAX_BYTES) {
    throw new AppError(
      'too-large',
      'STORE_ENTRY_TOO_LARGE',
      'The change is too large to be copied to another appliance: nothing was changed. Do it in several parts.',
    );
  }
  const unsealed = { ...what, seq: head.seq + 1, previous: head.hash };
  const entry = { ...unsealed, hash: hashEntry(unsealed) };
  insertEntry(connection, entry);
  return entry;
}

/** Writes an entry as it is, in the transaction that is open. */
export function insertEntry(connection: Connection, entry: ChangeLogEntry): void {
  connection.run(
    'INSERT INTO change_log (seq, epoch, schema, at_ms, kind, previous, hash, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    entry.seq,
    entry.epoch,
    entry.schema,
    entry.atMs,
    entry.kind,
    entry.previous,
    entry.hash,
    entry.bytes,
  );
}

/** Entries after number `after`, oldest first, one by one. */
export function readChangeLog(reader: Reader, after = 0): IterableIterator<ChangeLogEntry> {
  return reader.iterate<ChangeLogEntry>(`SELECT ${COLUMNS} FROM change_log WHERE seq > ? ORDER BY seq`, after);
}

/**
 * Checks that `entry` is the one that follows (`seq`, `hash`) in an unbroken chain, of an epoch that is not below `epoch`.
 * Throws `STORE_LOG_GAP` or `STORE_LOG_BROKEN`: a replica then stops and takes a snapshot, for applyChangeset by itself notices nothing.
 */
export function checkEntry(entry: ChangeLogEntry, head: { seq: number; hash: Uint8Array }, epoch: number): void {
  if (entry.seq !== head.seq + 1) {
    throw new AppError(
      'conflict',
      'STORE_LOG_GAP',
      `Entry ${entry.seq} of the change log does not follow entry ${head.seq}: take a snapshot.`,
    );
  }
  const whole = Buffer.compare(entry.previous, head.hash) === 0 && Buffer.compare(hashEntry(entry), entry.hash) === 0;
  if (!whole || entry.epoch < epoch) {
    throw new AppError(
      'conflict',
      'STORE_LOG_BROKEN',
      `Entry ${entry.seq} of the change log does not fit the one before: take a snapshot.`,
    );
  }
}
