/**
 * The one store around node:sqlite. The order that every transaction keeps, and that the crash tests hold it to:
 *
 *   BEGIN IMMEDIATE → fence → session → work → audit event → changeset → change-log entry → COMMIT → effects
 *
 * Rows, audit event and log entry are one SQLite transaction: after any cut either all three are there or none (I4). A transaction
 * may be on disk although its caller never heard so (phantom); one that the caller heard of is never missing (hole).
 */
import { statSync } from 'node:fs';
import { uuidv7 } from '@bascule/core/ids.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { appendAudit, auditHead } from './audit.ts';
import { appendEntry, checkEntry, insertEntry, logHead, type ChangeLogEntry, type MigrationNote } from './change-log.ts';
import { Connection } from './connection.ts';
import { contentHash } from './content-hash.ts';
import { GenerationCheck } from './generation-file.ts';
import {
  applyMigration,
  checkTables,
  createLocalTables,
  migrate,
  migrationHash,
  orderMigrations,
  pendingMigrations,
  replicatedTables,
  schemaNumber,
  type OnMigration,
} from './schema.ts';
import { fenced, newer } from './sql-error.ts';
import { storeMigrations } from './store-migrations.ts';
import { findProblems } from './integrity.ts';
import { OpenTransaction } from './open-transaction.ts';
import { takeSnapshot } from './snapshot.ts';
import { checkDatabase, inspectDatabase, type StoreCheck } from './store-check.ts';
import type { AuditEvent, Context, Migration, Reader, SqlValue, TransactionStep, Tx } from './transaction.ts';

export type { AuditEvent, Context, JsonValue, Migration, Reader, SqlValue, Tx } from './transaction.ts';
export type { OnMigration } from './schema.ts';
export type { StoreCheck } from './store-check.ts';
export { isUniqueViolation } from './sql-error.ts';

/** For what the program does by itself. */
export const SYSTEM: Context = { actor: { kind: 'system', id: null, name: 'system' }, address: '' };

export interface StoreOptions {
  path: string;
  /** Of all domains; the store adds its own. */
  migrations: Migration[];
  /** The appliance's name, in the audit chain. */
  appliance: string;
  /** Without it the store is not fenced (box.db has one writer by construction). */
  generation?: { file: string; number: number };
  log: Log;
  now?: () => number;
  /** A follower never migrates by itself: migrations come as entries of the change log (`applyEntry`). */
  follower?: boolean;
  /** The largest size of the file, in pages of 4 KiB: the space that this database may take (STORE_DISK_FULL beyond it). */
  maxPages?: number;
  /** `Store.check` has just passed: the pages are not read through once more (a switch of versions waits for this). */
  checked?: boolean;
  /** Called when a migration begins (without a duration) and when it is applied. */
  onMigration?: OnMigration;
  /** Called at each named point of a transaction: for tests that cut it there. */
  onStep?: (step: TransactionStep) => void;
}

/** A statement about the heads of both chains, and its signature. */
export interface SignedHead {
  atMs: number;
  /** The JSON text whose UTF-8 bytes are signed. */
  statement: string;
  signature: Uint8Array;
}

export class Store implements Reader {
  readonly #connection: Connection;
  readonly #options: StoreOptions;
  readonly #migrations: Migration[];
  readonly #now: () => number;
  readonly #generationCheck: GenerationCheck | undefined;
  #inTransaction = false;

  /**
   * Opens (and makes, and migrates) a database. Throws AppErrors and then has changed nothing: `STORE_CORRUPT`, `STORE_NEWER`,
   * `STORE_MIGRATION_CHANGED`, `STORE_TABLE_UNFIT`, `STORE_FENCED`, `STORE_IO`, `STORE_BUSY`, `STORE_DISK_FULL`.
   */
  static open(options: StoreOptions): Store {
    const migrations = orderMigrations([...storeMigrations, ...options.migrations]);
    const generationCheck = options.generation && new GenerationCheck(options.generation.file, options.generation.number);
    let connection: Connection | undefined;
    try {
      generationCheck?.assertCurrent();
      inspectDatabase({ ...options, migrations });
      connection = new Connection(options.path, options.log, 'write');
      if (options.maxPages !== undefined) connection.exec(`PRAGMA max_page_count = ${Math.trunc(options.maxPages)}`);
      const store = new Store(connection, options, migrations, generationCheck);
      store.#prepare();
      return store;
    } catch (error) {
      connection?.close();
      generationCheck?.[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Looks at a database without writing anything, for software that does not work on it yet: its schema number, the names of the migrations that `open` would apply, and
   * its pages unless the file is large. Throws `STORE_CORRUPT`, `STORE_NEWER`, `STORE_MIGRATION_CHANGED`, `STORE_IO`.
   */
  static check(path: string, migrations: Migration[], log?: Log): StoreCheck {
    return checkDatabase({ path, migrations: orderMigrations([...storeMigrations, ...migrations]), log });
  }

  private constructor(
    connection: Connection,
    options: StoreOptions,
    migrations: Migration[],
    generationCheck: GenerationCheck | undefined,
  ) {
    this.#connection = connection;
    this.#options = options;
    this.#migrations = migrations;
    this.#now = options.now ?? Date.now;
    this.#generationCheck = generationCheck;
  }

  get<T>(sql: string, ...params: SqlValue[]): T | undefined {
    return this.#connection.get<T>(sql, ...params);
  }

  all<T>(sql: string, ...params: SqlValue[]): T[] {
    return this.#connection.all<T>(sql, ...params);
  }

  iterate<T>(sql: string, ...params: SqlValue[]): IterableIterator<T> {
    return this.#connection.iterate<T>(sql, ...params);
  }

  /**
   * Changes state: what `work` writes, one audit event and one entry of the change log commit together or not at all; then the
   * effects run. Returns what `work` returned. `work` is synchronous: a promise is refused and rolled back. Throws what `work`
   * throws, `STORE_FENCED` when another writer has taken over, `STORE_DISK_FULL`, `STORE_IO`, `STORE_BUSY`; nothing is changed then.
   */
  transact<T>(context: Context, event: AuditEvent | ((result: T) => AuditEvent), work: (tx: Tx) => T): T {
    const effects: (() => void)[] = [];
    const result = this.#commit((atMs, epoch) => {
      const tx = new OpenTransaction(this.#connection, effects);
      let value: T;
      try {
        value = work(tx);
      } finally {
        tx.end();
      }
      if (isThenable(value)) throw new Error('bug: the work of a transaction returned a promise; it must be synchronous');
      this.#step('worked');
      const auditEvent = typeof event === 'function' ? event(value) : event;
      appendAudit(this.#connection, { appliance: this.#options.appliance, epoch, atMs }, context, auditEvent);
      this.#step('audited');
      return value;
    });
    for (const effect of effects) this.#runEffect(effect);
    return result;
  }

  /** Signs the heads of both chains (hourly, by the composition root) and stores the statement. `sign` gets the bytes of the statement. */
  signHead(sign: (bytes: Uint8Array) => Uint8Array): SignedHead {
    return this.#commit((atMs, epoch) => {
      const audit = auditHead(this.#connection, this.#options.appliance, epoch);
      const log = logHead(this.#connection);
      const statement = JSON.stringify({
        format: 'bascule-head/1',
        appliance: this.#options.appliance,
        epoch,
        atMs,
        audit: { sequence: audit.sequence, hash: audit.hash },
        changeLog: { seq: log.seq, hash: Buffer.from(log.hash).toString('hex') },
      });
      const signature = sign(Buffer.from(statement));
      this.#connection.run(
        'INSERT INTO audit_head (id, at_ms, statement, signature) VALUES (?, ?, ?, ?)',
        uuidv7(atMs),
        atMs,
        statement,
        signature,
      );
      return { atMs, statement, signature };
    });
  }

  /** The newest signed heads, if any were signed yet. */
  lastHead(): SignedHead | undefined {
    return this.get<SignedHead>(
      'SELECT at_ms AS atMs, statement, signature FROM audit_head ORDER BY at_ms DESC, id DESC LIMIT 1',
    );
  }

  /**
   * Applies the next entry of another store's change log to this follower, with its own log row, in one transaction. Throws
   * `STORE_LOG_GAP`, `STORE_LOG_BROKEN`, `STORE_NEWER` or `STORE_DIVERGED` and has changed nothing: the follower stops and takes a snapshot.
   */
  applyEntry(entry: ChangeLogEntry): void {
    // Captured deletes of a cascade are in the changeset themselves, so that foreign keys, which would cascade again, are off here.
    this.#connection.exec('PRAGMA foreign_keys = OFF');
    try {
      this.#inside((_, epoch) => {
        checkEntry(entry, logHead(this.#connection), epoch);
        const schema = schemaNumber(this.#connection);
        if (entry.kind === 'migration') this.#applyMigrationEntry(entry);
        else if (entry.schema !== schema) throw newer(this.#options.path, `schema ${entry.schema}, here ${schema}`);
        else if (!this.#applyChangeset(entry.bytes)) {
          throw new AppError(
            'conflict',
            'STORE_DIVERGED',
            `Entry ${entry.seq} of the change log does not fit the rows here: take a snapshot.`,
          );
        }
        insertEntry(this.#connection, entry);
        if (entry.epoch > epoch) this.#connection.run('UPDATE writer SET epoch = ?', entry.epoch);
      });
    } finally {
      this.#connection.exec('PRAGMA foreign_keys = ON');
    }
  }

  /** SHA-256 (hex) of a table's rows: equal on two appliances exactly when the table is. */
  contentHash(table: string): string {
    return contentHash(this.#connection, table);
  }

  /** Names of the tables that a follower has too: those whose content hashes are compared. */
  replicatedTables(): string[] {
    return replicatedTables(this.#connection);
  }

  /** Writes a compact copy of the database to the new file `target`, in a worker, while writing goes on; resolves when it is on disk. */
  async snapshot(target: string): Promise<void> {
    await takeSnapshot(this.#options.path, target);
  }

  /** Reads the whole database in a worker, while writing goes on; what is wrong with it, none being the good answer. Rejects when it takes too long. */
  async problems(): Promise<string[]> {
    return await findProblems(this.#options.path);
  }

  /** The size of the database's files, in bytes. */
  get fileBytes(): number {
    return ['', '-wal'].reduce(
      (sum, suffix) => sum + (statSync(this.#options.path + suffix, { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
  }

  /** Closes the database; closing twice does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
    this.#generationCheck?.[Symbol.dispose]();
  }
  #closed = false;

  [Symbol.dispose](): void {
    this.close();
  }

  #prepare(): void {
    this.#inside(() => {
      createLocalTables(this.#connection);
      this.#takeGeneration();
    });
    if (this.#options.follower !== true) {
      const epoch = this.#writer().epoch;
      const pending = pendingMigrations(this.#connection, this.#migrations, this.#options.path);
      migrate(this.#connection, pending, { epoch, now: this.#now, onMigration: this.#options.onMigration });
    }
    checkTables(this.#connection);
  }

  /** Notes our generation in the database, so that a writer of a lower one is refused even if the file were lost. */
  #takeGeneration(): void {
    const own = this.#options.generation?.number;
    if (own === undefined) return;
    const found = this.#writer().generation;
    if (found > own) throw fenced(own, found);
    if (found < own) this.#connection.run('UPDATE writer SET generation = ?', own);
  }

  #writer(): { generation: number; epoch: number } {
    return this.#connection.get('SELECT generation, epoch FROM writer') ?? { generation: 0, epoch: 1 };
  }

  #applyMigrationEntry(entry: ChangeLogEntry): void {
    const note = JSON.parse(Buffer.from(entry.bytes).toString()) as MigrationNote;
    const migration = this.#migrations.find((candidate) => candidate.version === note.version);
    if (migration === undefined || migrationHash(migration) !== note.sha256)
      throw newer(this.#options.path, `migration ${note.version} '${note.name}'`);
    if (applyMigration(this.#connection, migration, entry.atMs) !== entry.schema)
      throw newer(this.#options.path, `schema ${entry.schema}`);
  }

  #applyChangeset(bytes: Uint8Array): boolean {
    return bytes.length === 0 || this.#connection.applyChangeset(bytes);
  }

  /** `inside`, with a session around `work` whose changeset becomes the log entry. */
  #commit<T>(work: (atMs: number, epoch: number) => T): T {
    return this.#inside(
      (atMs, epoch) => {
        this.#step('begun');
        const session = this.#connection.startSession();
        let result: T;
        let bytes: Uint8Array;
        try {
          result = work(atMs, epoch);
          bytes = session.changeset();
        } finally {
          session.close();
        }
        this.#step('captured');
        // The session is closed: the log row is not in its own changeset.
        appendEntry(this.#connection, { epoch, schema: schemaNumber(this.#connection), atMs, kind: 'change', bytes });
        this.#step('logged');
        return result;
      },
      () => this.#step('committed'),
    );
  }

  /** BEGIN IMMEDIATE, fence, `work`, COMMIT; rolled back when anything throws. */
  #inside<T>(work: (atMs: number, epoch: number) => T, committed?: () => void): T {
    if (this.#inTransaction) throw new Error('bug: a transaction inside a transaction');
    this.#inTransaction = true;
    try {
      this.#connection.exec('BEGIN IMMEDIATE');
      try {
        const epoch = this.#verifyWriter();
        const result = work(this.#now(), epoch);
        this.#connection.exec('COMMIT');
        committed?.();
        return result;
      } catch (error) {
        this.#connection.rollback();
        throw error;
      }
    } finally {
      this.#inTransaction = false;
    }
  }

  /** The fence: the generation in the file and in the database are still ours. Returns the epoch. */
  #verifyWriter(): number {
    const own = this.#options.generation?.number;
    this.#generationCheck?.assertCurrent();
    if (this.#connection.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'writer'") === undefined) return 1;
    const { generation, epoch } = this.#writer();
    if (own !== undefined && generation > own) throw fenced(own, generation);
    return epoch;
  }

  #step(step: TransactionStep): void {
    this.#options.onStep?.(step);
  }

  #runEffect(effect: () => void): void {
    try {
      effect();
    } catch (error) {
      this.#options.log.error({ err: error }, 'store-effect-failed');
    }
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
