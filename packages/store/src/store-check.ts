/** Looking at a database before, or without, opening it for writing. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import type { Log } from '@bascule/log/log.ts';
import { Connection } from './connection.ts';
import { pendingMigrations, schemaNumber } from './schema.ts';
import { corrupt } from './sql-error.ts';
import type { Migration } from './transaction.ts';

const SQLITE_MAGIC = 'SQLite format 3\0';
/** Larger files are not read through at every start; their pages are still checked as they are read. */
const QUICK_CHECK_MAX_BYTES = 256 * 1024 * 1024;

interface CheckOptions {
  path: string;
  /** In order of version. */
  migrations: Migration[];
  log?: Log | undefined;
}

export interface StoreCheck {
  /** Migrations in force; 0 when there is no database yet. */
  schema: number;
  /** Names of the migrations that would be applied, in order. */
  pending: string[];
  bytes: number;
}

/** Looks at an existing database through a read-only connection, so that one that we must not touch stays as it is. */
export function inspectDatabase(options: CheckOptions & { checked?: boolean | undefined }): void {
  if (!isDatabase(options.path)) return;
  // A cut while the file was made (before it was WAL) leaves a rollback journal, which only a writing connection can play back.
  const mode = existsSync(`${options.path}-journal`) ? 'recover' : 'read';
  look(options, mode, options.checked !== true);
}

/** As `Store.check`. Neither the database nor its directory is changed: while another program has it open, through that program's write-ahead log. */
export function checkDatabase(options: CheckOptions): StoreCheck {
  const { path, migrations } = options;
  if (!isDatabase(path)) return { schema: 0, pending: migrations.map((migration) => migration.name), bytes: 0 };
  const isOpen = () => existsSync(`${path}-wal`);
  if (isOpen()) return look(options, 'read', true);
  try {
    return look(options, 'immutable', true);
  } catch (error) {
    // Somebody has begun to write while we read: what we read was no whole.
    if (isOpen()) return look(options, 'read', true);
    throw error;
  }
}

function look({ path, migrations, log }: CheckOptions, mode: 'read' | 'immutable' | 'recover', pages: boolean): StoreCheck {
  const bytes = statSync(path).size;
  const connection = new Connection(path, log, mode);
  try {
    if (pages && bytes <= QUICK_CHECK_MAX_BYTES) {
      const answer = connection.get<{ quick_check: string }>('PRAGMA quick_check(1)');
      if (answer?.quick_check !== 'ok') throw corrupt(path, answer?.quick_check);
    }
    const pending = pendingMigrations(connection, migrations, path).map((migration) => migration.name);
    return { schema: schemaNumber(connection), pending, bytes };
  } finally {
    connection.close();
  }
}

/** False when there is none yet. Throws `STORE_CORRUPT` for a file that is something else. */
function isDatabase(path: string): boolean {
  if (!existsSync(path) || statSync(path).size === 0) return false;
  if (!hasMagic(path)) throw corrupt(path);
  return true;
}

function hasMagic(path: string): boolean {
  const bytes = Buffer.alloc(SQLITE_MAGIC.length);
  const descriptor = openSync(path, 'r');
  try {
    readSync(descriptor, bytes, 0, bytes.length, 0);
  } finally {
    closeSync(descriptor);
  }
  return bytes.toString('latin1') === SQLITE_MAGIC;
}
