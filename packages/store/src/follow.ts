/** Applying another store's change log (change-log 3). Everything here runs within one transaction that is open on the connection. */
import { AppError } from '@bascule/errors/app-error.ts';
import { checkEntry, insertEntry, logHead, type ChangeLogEntry } from './change-log.ts';
import { changedTables, type ChangedTable } from './changeset.ts';
import type { Connection } from './connection.ts';
import { LOCAL_TABLES } from './local-tables.ts';
import { migrationOf } from './migration-entry.ts';
import { applyMigration, checkTables, schemaNumber, tableColumns } from './schema.ts';
import { newer, SqlError } from './sql-error.ts';
import type { Migration } from './transaction.ts';

/** A migration of newer software that is not as migrations must be. */
const REFUSED_CODES = ['STORE_MIGRATION_NOT_ADDITIVE', 'STORE_TABLE_UNFIT'];

/** Applies entries one after another, with their log rows; remembers the shapes of tables between them. Throws as `Store.applyEntry`. */
export class Following {
  readonly #connection: Connection;
  readonly #migrations: Migration[];
  readonly #path: string;
  readonly #touched = new Set<string>();
  /** Of the tables met since the schema last changed. */
  readonly #shapes = new Map<string, ChangedTable | undefined>();
  #head: { seq: number; hash: Uint8Array };
  #schema: number;
  #epoch: number;

  constructor(connection: Connection, options: { migrations: Migration[]; path: string; epoch: number }) {
    this.#connection = connection;
    this.#migrations = options.migrations;
    this.#path = options.path;
    this.#epoch = options.epoch;
    this.#head = logHead(connection);
    this.#schema = schemaNumber(connection);
  }

  /** Names of the tables whose rows were changed so far. */
  get tables(): string[] {
    return [...this.#touched];
  }

  get seq(): number {
    return this.#head.seq;
  }

  apply(entry: ChangeLogEntry): void {
    checkEntry(entry, this.#head, this.#epoch);
    if (entry.kind === 'migration') this.#migrate(entry);
    else this.#change(entry);
    insertEntry(this.#connection, entry);
    if (entry.epoch > this.#epoch) this.#connection.run('UPDATE writer SET epoch = ?', entry.epoch);
    this.#epoch = entry.epoch;
    this.#head = entry;
  }

  #migrate(entry: ChangeLogEntry): void {
    const migration = migrationOf(entry, this.#migrations, this.#path);
    const applied = this.#connection.get('SELECT 1 FROM applied_migration WHERE version = ?', migration.version);
    if (applied !== undefined || entry.schema !== this.#schema + 1) throw newer(this.#path, `schema ${entry.schema}`);
    try {
      this.#schema = applyMigration(this.#connection, migration, entry.atMs);
      checkTables(this.#connection);
    } catch (error) {
      // What only adds, to a schema that is as the source's, cannot fail.
      if (error instanceof SqlError) throw diverged(entry.seq, error);
      const isRefused = error instanceof AppError && REFUSED_CODES.includes(error.code);
      throw isRefused ? newer(this.#path, `migration ${migration.version} '${migration.name}': ${error.message}`) : error;
    }
    this.#shapes.clear();
  }

  #change(entry: ChangeLogEntry): void {
    if (entry.schema !== this.#schema) throw newer(this.#path, `schema ${entry.schema}, here ${this.#schema}`);
    if (entry.bytes.length === 0) return;
    const tables = changedTables(entry.bytes);
    // `applyChangeset` would pass over such a table in silence.
    if (!tables.every((table) => isSame(table, this.#shapeOf(table.name)))) throw diverged(entry.seq);
    if (!this.#connection.applyChangeset(entry.bytes)) throw diverged(entry.seq);
    for (const { name } of tables) this.#touched.add(name);
  }

  /** Undefined for a table that is not here, or that nobody sends: those that describe this very file. */
  #shapeOf(name: string): ChangedTable | undefined {
    if (!this.#shapes.has(name)) this.#shapes.set(name, readShape(this.#connection, name));
    return this.#shapes.get(name);
  }
}

function readShape(connection: Connection, name: string): ChangedTable | undefined {
  if ((LOCAL_TABLES as readonly string[]).includes(name.toLowerCase()) || name.startsWith('sqlite_')) return undefined;
  const { columns, key } = tableColumns(connection, name);
  if (columns.length === 0) return undefined;
  const places = key.map((column) => columns.indexOf(column)).sort((one, other) => one - other);
  return { name, columns: columns.length, key: places };
}

function isSame(table: ChangedTable, here: ChangedTable | undefined): boolean {
  return here !== undefined && table.columns === here.columns && table.key.join() === here.key.join();
}

function diverged(seq: number, cause?: unknown): AppError {
  return new AppError(
    'conflict',
    'STORE_DIVERGED',
    `Entry ${seq} of the change log does not fit the rows here: take a snapshot.`,
    { cause },
  );
}
