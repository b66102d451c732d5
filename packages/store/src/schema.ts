/** Local tables, migrations, and the checks that every table of ours passes at every start (docs/decisions/0013). */
import { AppError } from '@bascule/errors/app-error.ts';
import { checkAdditive, readShape } from './additive.ts';
import { appendEntry } from './change-log.ts';
import type { Connection } from './connection.ts';
import { LOCAL_TABLES } from './local-tables.ts';
import { migrationHash, migrationNote } from './migration-entry.ts';
import { newer } from './sql-error.ts';
import type { Migration, Reader } from './transaction.ts';

const LOCAL_SCHEMA = `
  CREATE TABLE IF NOT EXISTS change_log (
    seq INTEGER NOT NULL PRIMARY KEY,
    epoch INTEGER NOT NULL,
    schema INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL,
    bytes BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS applied_migration (
    version INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    additive INTEGER NOT NULL DEFAULT 1
  ) STRICT;
  CREATE TABLE IF NOT EXISTS writer (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL,
    epoch INTEGER NOT NULL
  ) STRICT;
  INSERT OR IGNORE INTO writer (one, generation, epoch) VALUES (1, 0, 1);`;

interface Applied {
  version: number;
  name: string;
  sha256: string;
  additive: number;
}

/** Told when a migration begins (`durationMs` undefined, `done` of `total` applied) and when it is applied. */
export type OnMigration = (name: string, done: number, total: number, durationMs: number | undefined) => void;

/** Makes the local tables if they are missing, and adds what databases of before lack. Within a transaction. */
export function createLocalTables(connection: Connection): void {
  if (!hasTable(connection, 'writer')) connection.exec(LOCAL_SCHEMA);
  else if (!recordsAdditive(connection)) {
    connection.exec('ALTER TABLE applied_migration ADD COLUMN additive INTEGER NOT NULL DEFAULT 1');
    connection.forgetStatements();
  }
}

function recordsAdditive(reader: Reader): boolean {
  return tableColumns(reader, 'applied_migration').columns.includes('additive');
}

function hasTable(reader: Reader, name: string): boolean {
  return reader.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", name) !== undefined;
}

/** Sorts by version; two migrations of one version are a bug of the composition root. */
export function orderMigrations(migrations: Migration[]): Migration[] {
  const ordered = [...new Set(migrations)].sort((one, other) => one.version - other.version);
  for (const [index, migration] of ordered.entries()) {
    if (ordered[index + 1]?.version === migration.version)
      throw new Error(`bug: two migrations have version ${migration.version}`);
  }
  return ordered;
}

/**
 * Which of `migrations` are not applied yet. A migration of newer software is passed over when it only added (then this software works on, docs/decisions/0096). Throws
 * `STORE_NEWER` for one that is not recorded as additive, `STORE_MIGRATION_CHANGED` for one that reads otherwise.
 */
export function pendingMigrations(reader: Reader, migrations: Migration[], path: string): Migration[] {
  const applied = appliedMigrations(reader);
  const known = new Map(migrations.map((migration) => [migration.version, migration]));
  for (const row of applied) {
    const migration = known.get(row.version);
    if (migration === undefined) {
      if (row.additive === 1) continue;
      throw newer(path, `migration ${row.version} '${row.name}'`);
    }
    if (migrationHash(migration) !== row.sha256) {
      throw new AppError(
        'internal',
        'STORE_MIGRATION_CHANGED',
        `Migration ${row.version} '${row.name}' of ${path} was changed after it was applied; the database was left as it is. Install an unaltered version.`,
      );
    }
  }
  const versions = new Set(applied.map((row) => row.version));
  return migrations.filter((migration) => !versions.has(migration.version));
}

/** What is in force, oldest version first. A database from before the record of `additive` says 0: nothing is known about what we do not know. */
function appliedMigrations(reader: Reader): Applied[] {
  if (!hasTable(reader, 'applied_migration')) return [];
  const additive = recordsAdditive(reader) ? 'additive' : '0 AS additive';
  return reader.all<Applied>(`SELECT version, name, sha256, ${additive} FROM applied_migration ORDER BY version`);
}

/** Applies one migration and notes it, within a transaction; returns the number of migrations now in force. Throws `STORE_MIGRATION_NOT_ADDITIVE`. */
export function applyMigration(connection: Connection, migration: Migration, atMs: number): number {
  const isAdditive = migration.additive !== false;
  const before = isAdditive ? readShape(connection) : undefined;
  connection.exec(migration.up);
  connection.forgetStatements();
  if (before !== undefined) checkAdditive(migration.name, before, readShape(connection));
  connection.run(
    'INSERT INTO applied_migration (version, name, sha256, at_ms, additive) VALUES (?, ?, ?, ?, ?)',
    migration.version,
    migration.name,
    migrationHash(migration),
    atMs,
    isAdditive ? 1 : 0,
  );
  return schemaNumber(connection);
}

/** The number of migrations in force. */
export function schemaNumber(reader: Reader): number {
  if (!hasTable(reader, 'applied_migration')) return 0;
  return reader.get<{ count: number }>('SELECT count(*) AS count FROM applied_migration')?.count ?? 0;
}

/** How migrations are issued: the epoch that their entries bear, and who is told. */
interface Issuing {
  epoch: number;
  now(): number;
  onMigration?: OnMigration | undefined;
  /** Throws when writing is not allowed (any more). */
  mayWrite?: (() => void) | undefined;
}

/** Applies what is pending, each migration with its entry of the change log in a transaction of its own: one that throws leaves the schema as the one before it made it. */
export function migrate(connection: Connection, pending: Migration[], issuing: Issuing): void {
  for (const index of pending.keys()) {
    issuing.mayWrite?.();
    connection.exec('BEGIN IMMEDIATE');
    try {
      issueMigration(connection, pending, index, issuing, () => {
        issuing.mayWrite?.();
        connection.exec('COMMIT');
      });
    } catch (error) {
      connection.rollback();
      throw error;
    }
  }
}

/** Applies the migration at `index` of `pending`, with its entry of the change log, in the transaction that is open; `end` may commit it. */
export function issueMigration(
  connection: Connection,
  pending: Migration[],
  index: number,
  { epoch, now, onMigration }: Issuing,
  end?: () => void,
): void {
  const migration = pending[index];
  if (migration === undefined) throw new Error('bug: there is no such migration');
  const startedMs = performance.now();
  onMigration?.(migration.name, index, pending.length, undefined);
  const atMs = now();
  const schema = applyMigration(connection, migration, atMs);
  appendEntry(connection, { epoch, schema, atMs, kind: 'migration', bytes: migrationNote(migration) });
  checkTables(connection);
  end?.();
  onMigration?.(migration.name, index + 1, pending.length, performance.now() - startedMs);
}

/**
 * Refuses what replication would lose or double in silence: a table that is not STRICT or has no explicit NOT NULL primary key, a
 * trigger, AUTOINCREMENT, a virtual table; and what a database that somebody else made could hide in: a view, a generated column. Throws `STORE_TABLE_UNFIT`: a bug in a migration, found at
 * the first start, or such a database.
 */
export function checkTables(reader: Reader): void {
  for (const { type, name, sql } of reader.all<{ type: string; name: string; sql: string | null }>(
    // SQLite's own tables have such names; a trigger or a view has one only when the file was altered by hand.
    "SELECT type, name, sql FROM sqlite_schema WHERE type <> 'table' OR name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
  )) {
    if (type === 'index') continue;
    if (type !== 'table') throw unfit(`has the ${type} '${name}'`);
    if (/^\s*create\s+virtual/i.test(sql ?? '')) throw unfit(`has the virtual table '${name}'`);
    if (/\bautoincrement\b/i.test(sql ?? '')) throw unfit(`has AUTOINCREMENT in '${name}'`);
    if (
      reader.get<{ strict: number }>('SELECT strict FROM pragma_table_list WHERE schema = ? AND name = ?', 'main', name)
        ?.strict !== 1
    ) {
      throw unfit(`has the table '${name}', which is not STRICT`);
    }
    const key = primaryKey(reader, name);
    if (key.length === 0 || key.some((column) => column.notnull === 0))
      throw unfit(`has the table '${name}' without an explicit NOT NULL primary key`);
    const [generated] = generatedColumns(reader, name);
    if (generated !== undefined) throw unfit(`has the generated column '${generated}' in '${name}'`);
  }
}

/** Names of columns that are computed: `hidden` says 2 (virtual) or 3 (stored). */
function generatedColumns(reader: Reader, table: string): string[] {
  return reader
    .all<{ name: string }>('SELECT name FROM pragma_table_xinfo(?) WHERE hidden IN (2, 3)', table)
    .map((column) => column.name);
}

function primaryKey(reader: Reader, table: string): { name: string; notnull: number }[] {
  return reader.all('SELECT name, "notnull" FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk', table);
}

/** Columns of `table` in stored order, and those of its primary key. */
export function tableColumns(reader: Reader, table: string): { columns: string[]; key: string[] } {
  const columns = reader
    .all<{ name: string }>('SELECT name FROM pragma_table_info(?) ORDER BY cid', table)
    .map((column) => column.name);
  return { columns, key: primaryKey(reader, table).map((column) => column.name) };
}

/** Names of the tables that a follower has too. */
export function replicatedTables(reader: Reader): string[] {
  const local: readonly string[] = LOCAL_TABLES;
  return reader
    .all<{ name: string }>(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )
    .map((table) => table.name)
    .filter((name) => !local.includes(name));
}

function unfit(what: string): AppError {
  return new AppError('internal', 'STORE_TABLE_UNFIT', `The schema ${what}: it could not be replicated faithfully.`);
}
