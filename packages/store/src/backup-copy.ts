/** Copies of a database for a backup: all of it, or without the rows of history (B185). */
import { rmSync } from 'node:fs';
import { Connection } from './connection.ts';
import { readHead } from './received-copy.ts';
import { takeSnapshot } from './snapshot.ts';
import type { LogHead } from './change-log.ts';
import type { Reader } from './transaction.ts';

/** The rows of one table that a copy without history leaves out. */
export interface LeftOutRows {
  table: string;
  /** SQL of those that go; absent: all. */
  where?: string;
}

/** What is in a copy. */
export interface CopyPosition extends LogHead {
  migrations: number[];
  /** The newest event of the audit. */
  auditSequence: number;
}

/** The store's own history: the change log but for its newest entry (from which the log goes on), the audit but for the newest event of each chain, and signed heads. */
const OWN_HISTORY: LeftOutRows[] = [
  { table: 'change_log', where: 'seq < (SELECT max(seq) FROM change_log)' },
  {
    table: 'audit_event',
    where:
      'EXISTS (SELECT 1 FROM audit_event AS later WHERE later.appliance = audit_event.appliance AND later.epoch = audit_event.epoch AND later.sequence > audit_event.sequence)',
  },
  { table: 'audit_head' },
];

/**
 * Copies the database `source` to the new file `target` by `VACUUM INTO` in a worker, while writing goes on. With `leaveOut` without those rows and without the store's own history; what is left is
 * compact and holds nothing of what went. On disk when it resolves.
 */
export async function copyForBackup(source: string, target: string, leaveOut?: readonly LeftOutRows[]): Promise<void> {
  if (leaveOut === undefined) return await takeSnapshot(source, target);
  const whole = `${target}.whole`;
  try {
    await takeSnapshot(source, whole);
    const connection = new Connection(whole, undefined, 'recover');
    try {
      // A scratch file: what a cut leaves of it is made anew.
      connection.exec('PRAGMA journal_mode = OFF');
      connection.exec('PRAGMA synchronous = OFF');
      connection.exec('PRAGMA foreign_keys = OFF');
      for (const { table, where = 'true' } of [...OWN_HISTORY, ...leaveOut])
        connection.exec(`DELETE FROM "${table}" WHERE ${where}`);
    } finally {
      connection.close();
    }
    await takeSnapshot(whole, target);
  } finally {
    for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(whole + suffix, { force: true });
  }
}

/** Reads where the copy `file` stands. Nobody else has it open. */
export function positionOfCopy(file: string): CopyPosition {
  const connection = new Connection(file, undefined, 'immutable');
  try {
    return {
      ...readHead(connection),
      migrations: connection
        .all<{ version: number }>('SELECT version FROM applied_migration ORDER BY version')
        .map(({ version }) => version),
      auditSequence:
        connection.get<{ sequence: number | null }>('SELECT max(sequence) AS sequence FROM audit_event')?.sequence ?? 0,
    };
  } finally {
    connection.close();
  }
}

/** Bytes of the database at `path` while others write to it: of the store's own history with `tables`, and of everything. Reads what it counts: for a process of its own. */
export function historyBytes(path: string, tables: readonly string[]): { history: number; whole: number } {
  const connection = new Connection(path, undefined, 'read');
  try {
    const names = [...OWN_HISTORY.map(({ table }) => table), ...tables];
    const history = names.reduce((sum, table) => sum + bytesOf(connection, table), 0);
    const pages = connection.get<{ bytes: number }>(
      'SELECT (page_count - freelist_count) * page_size AS bytes FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()',
    );
    return { history, whole: Math.max(history, pages?.bytes ?? 0) };
  } finally {
    connection.close();
  }
}

/** A table with its indexes. */
function bytesOf(reader: Reader, table: string): number {
  const sql =
    'SELECT sum(pgsize) AS bytes FROM dbstat WHERE aggregate = true AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ? AND rootpage > 0)';
  return reader.get<{ bytes: number | null }>(sql, table)?.bytes ?? 0;
}
