/** A copy of another store's database that was received, or is kept: checking it, putting it in place, reading it. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolderSync } from '@bascule/core/durable-file.ts';
import { hashEntry, logHead, readChangeLog, type LogHead } from './change-log.ts';
import { Connection } from './connection.ts';
import { findProblems } from './integrity.ts';
import { checkTables, createLocalTables, schemaNumber } from './schema.ts';
import { corrupt } from './sql-error.ts';
import type { Reader } from './transaction.ts';

/**
 * Checks a received copy (change-log 5): the pages in a worker, its newest entry, its tables; then resets what describes the file it came from (the writer's generation). Gives the
 * position from which to follow on, read from the copy itself. Throws `STORE_CORRUPT`, `STORE_TABLE_UNFIT`.
 */
export async function prepareCopy(file: string): Promise<LogHead> {
  const problems = await findProblems(file);
  if (problems.length > 0) throw corrupt(file, problems[0]);
  const connection = new Connection(file, undefined, 'write');
  let head: LogHead;
  try {
    checkTables(connection);
    connection.exec('BEGIN IMMEDIATE');
    createLocalTables(connection);
    connection.run('UPDATE writer SET generation = 0');
    connection.exec('COMMIT');
    head = readHead(connection);
    const [newest] = readChangeLog(connection, head.seq - 1);
    if (newest !== undefined && Buffer.compare(hashEntry(newest), newest.hash) !== 0) throw corrupt(file, 'change log');
    // One file again, without a write-ahead log beside it: it can be renamed.
    connection.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    connection.exec('PRAGMA journal_mode = DELETE');
  } finally {
    connection.rollback();
    connection.close();
  }
  syncFile(file);
  return head;
}

/** The newest entry of an open database, and what is in force after it. */
export function readHead(reader: Reader): LogHead {
  const epoch = reader.get<{ epoch: number }>('SELECT epoch FROM writer')?.epoch ?? 1;
  return { ...logHead(reader), epoch, schema: schemaNumber(reader) };
}

/**
 * Puts a prepared copy in the place of the database at `path`, which nobody has open: durable when it returns. What was at `path` is gone, also what its write-ahead log held (else
 * SQLite would play that log into the new file): archive it before.
 */
export function replaceDatabase(copy: string, path: string): void {
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true });
  syncFolderSync(dirname(path));
  renameSync(copy, path);
  syncFolderSync(dirname(path));
}

/** Opens a database that nobody writes (an archived one) for reading alone. Dispose of it after use. Throws `STORE_IO`, `STORE_CORRUPT`. */
export function openReader(path: string): Reader & Disposable {
  const connection = new Connection(path, undefined, existsSync(`${path}-wal`) ? 'read' : 'immutable');
  return {
    get: (sql, ...params) => connection.get(sql, ...params),
    all: (sql, ...params) => connection.all(sql, ...params),
    iterate: (sql, ...params) => connection.iterate(sql, ...params),
    [Symbol.dispose]: () => connection.close(),
  };
}

function syncFile(file: string): void {
  const descriptor = openSync(file, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
