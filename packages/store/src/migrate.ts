/** Brings a database to the schema that this software knows. */
import { createHash } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import { appendChange } from './change-log.ts';
import type { Connection } from './sqlite.ts';
import { LOCAL_TABLES, type Migration } from './store-migrations.ts';

interface Applied {
  version: number;
  hash: string;
}

/**
 * Applies what is missing, in order, each in one transaction with its change-log entry. Throws `STORE_NEWER` when the database knows a migration
 * that this software does not, before anything is changed.
 */
export function migrate(connection: Connection, migrations: Migration[], path: string, nowMs: number): void {
  const ordered = [...migrations].sort((one, other) => one.version - other.version);
  const duplicate = ordered.find((migration, index) => ordered[index + 1]?.version === migration.version);
  if (duplicate) throw new Error(`bug: two migrations have the version ${duplicate.version}`);
  const applied = appliedMigrations(connection);
  for (const { version, hash } of applied) {
    const known = ordered.find((migration) => migration.version === version);
    if (!known) {
      throw new AppError(
        'unavailable',
        'STORE_NEWER',
        `${path} was written by a newer version of Bascule (schema ${version}); install that version again. Nothing was changed.`,
      );
    }
    if (hash !== hashOf(known))
      throw new Error(`bug: migration ${version} (${known.name}) was changed after it had been applied`);
  }
  for (const migration of ordered) {
    if (!applied.some(({ version }) => version === migration.version)) apply(connection, migration, nowMs);
  }
  checkReplicable(connection);
}

/** The number of the schema, which every change-log entry carries: how many migrations the database has seen. */
export function schemaNumber(connection: Connection): number {
  return connection.get<{ applied: number }>('SELECT count(*) AS applied FROM schema_migration')?.applied ?? 0;
}

function appliedMigrations(connection: Connection): Applied[] {
  const exists = connection.get("SELECT 1 FROM sqlite_schema WHERE name = 'schema_migration'");
  return exists ? connection.all<Applied>('SELECT version, hash FROM schema_migration ORDER BY version') : [];
}

function apply(connection: Connection, migration: Migration, nowMs: number): void {
  connection.exec('BEGIN IMMEDIATE');
  try {
    connection.exec(
      'CREATE TABLE IF NOT EXISTS schema_migration (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT',
    );
    connection.exec(migration.up);
    connection.run(
      'INSERT INTO schema_migration (version, name, hash, at_ms) VALUES (?, ?, ?, ?)',
      migration.version,
      migration.name,
      hashOf(migration),
      nowMs,
    );
    appendChange(connection, {
      kind: 'migration',
      schema: schemaNumber(connection),
      atMs: nowMs,
      payload: Buffer.from(JSON.stringify(migration)),
    });
    connection.exec('COMMIT');
  } catch (error) {
    if (connection.database.isTransaction) connection.exec('ROLLBACK');
    throw error;
  }
}

function hashOf(migration: Migration): string {
  return createHash('sha256').update(migration.up).digest('hex');
}

/**
 * What SQLite's session extension would lose or double without a word (facts about it are in docs/spec/change-log.md, 5) is refused at the start:
 * tables that are not STRICT, primary keys that are missing or may be NULL, triggers, AUTOINCREMENT.
 */
function checkReplicable(connection: Connection): void {
  const trigger = connection.get<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'trigger'");
  if (trigger) throw new Error(`bug: the trigger ${trigger.name} would act twice on a replica`);
  const tables = connection.all<{ name: string; strict: number }>(
    "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'",
  );
  for (const { name, strict } of tables) {
    if (LOCAL_TABLES.includes(name)) continue;
    const columns = connection.all<{ pk: number; notnull: number }>('SELECT pk, "notnull" FROM pragma_table_info(?)', name);
    const key = columns.filter(({ pk }) => pk > 0);
    if (strict !== 1) throw new Error(`bug: the table ${name} is not STRICT`);
    if (key.length === 0 || key.some(({ notnull }) => notnull !== 1))
      throw new Error(`bug: the table ${name} needs a primary key of NOT NULL columns`);
  }
  if (connection.get("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'"))
    throw new Error('bug: AUTOINCREMENT counters are not replicated');
}
