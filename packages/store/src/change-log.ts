/**
 * The change log: one entry for every transaction, written in that transaction, chained by hash (docs/spec/change-log.md). What follows a database (a peer,
 * a traffic node, outbound events) reads it from here and nowhere else.
 */
import { createHash } from 'node:crypto';
import { GENESIS_HASH } from './audit.ts';
import type { SqlValue } from './sqlite.ts';

export interface ChangeLogEntry {
  sequence: number;
  epoch: number;
  schema: number;
  atMs: number;
  kind: 'change' | 'migration';
  previousHash: string;
  hash: string;
  /** A changeset of SQLite's session extension, or the migration as JSON. */
  payload: Uint8Array;
}

interface Writer {
  get<T>(sql: string, ...params: SqlValue[]): T | undefined;
  run(sql: string, ...params: SqlValue[]): unknown;
}

/** Appends an entry to the log; must run inside the transaction that the entry tells of. */
export function appendChange(
  writer: Writer,
  change: { kind: 'change' | 'migration'; schema: number; atMs: number; payload: Uint8Array },
): void {
  const last = writer.get<{ sequence: number; hash: string }>(
    'SELECT sequence, hash FROM change_log ORDER BY sequence DESC LIMIT 1',
  );
  const epoch = writer.get<{ epoch: number }>('SELECT epoch FROM writer')?.epoch ?? 1;
  const entry = { ...change, epoch, sequence: (last?.sequence ?? 0) + 1, previousHash: last?.hash ?? GENESIS_HASH };
  writer.run(
    'INSERT INTO change_log (sequence, epoch, schema, at_ms, kind, previous_hash, hash, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    entry.sequence,
    entry.epoch,
    entry.schema,
    entry.atMs,
    entry.kind,
    entry.previousHash,
    changeHash(entry),
    entry.payload,
  );
}

/** SHA-256 over the predecessor's hash, the fields as JSON and the payload (docs/spec/change-log.md, 2). */
export function changeHash(entry: Omit<ChangeLogEntry, 'hash'>): string {
  const fields = JSON.stringify([entry.sequence, entry.epoch, entry.schema, entry.atMs, entry.kind]);
  return createHash('sha256').update(`${entry.previousHash}\n${fields}\n`).update(entry.payload).digest('hex');
}

/** Reads the log from the entry after `sequence` on, in order. */
export function* readChanges(
  reader: { iterate<T>(sql: string, ...params: SqlValue[]): IterableIterator<T> },
  after: number,
): Generator<ChangeLogEntry> {
  yield* reader.iterate<ChangeLogEntry>(
    'SELECT sequence, epoch, schema, at_ms AS atMs, kind, previous_hash AS previousHash, hash, payload FROM change_log WHERE sequence > ? ORDER BY sequence',
    after,
  );
}
