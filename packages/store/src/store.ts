/**
 * The one store around node:sqlite. The order that every transaction keeps, and that the crash tests hold it to:
 *
 *   BEGIN IMMEDIATE → fence → session → work → audit event → changeset → change-log entry → COMMIT → effects
 *
 * Rows, audit event and log entry are one SQLite transaction: after any cut either all three are there or none (I4). A transaction
 * may be on disk although its caller never heard so (phantom); one that the caller heard of is never missing (hole).
 */
import { statSync } from 'node:fs';
import type { Log } from '@bascule/log/log.ts';
import { AfterCommit } from './after-commit.ts';
import { appendAudit, waitsForPeer } from './audit.ts';
import { appendEntry, logHead, type ChangeLogEntry, type LogHead } from './change-log.ts';
import { Connection } from './connection.ts';
import { contentHash } from './content-hash.ts';
import { Following } from './follow.ts';
import { GenerationCheck } from './generation-file.ts';
import { readHashes, type Hashes } from './hashes.ts';
import { changesSince, entriesAfter, hasEntry, trimLog, type Changes } from './log-window.ts';
import { prepareCopy, readHead } from './received-copy.ts';
import {
  checkTables,
  createLocalTables,
  issueMigration,
  migrate,
  orderMigrations,
  pendingMigrations,
  replicatedTables,
  schemaNumber,
} from './schema.ts';
import { insertHead, newestHead, type SignedHead } from './signed-head.ts';
import { epochOld, fenced, follows } from './sql-error.ts';
import { storeMigrations } from './store-migrations.ts';
import { findProblems } from './integrity.ts';
import { OpenTransaction } from './open-transaction.ts';
import { takeSnapshot } from './snapshot.ts';
import { checkDatabase, inspectDatabase, type StoreCheck } from './store-check.ts';
import type { StoreOptions } from './store-options.ts';
import type { AuditEvent, Context, Migration, Reader, SqlValue, TransactionStep, Tx } from './transaction.ts';

export type { AuditEvent, Context, JsonValue, Migration, Reader, SqlValue, Tx } from './transaction.ts';
export type { ChangeLogEntry, LogHead } from './change-log.ts';
export type { Hashes } from './hashes.ts';
export type { Changes } from './log-window.ts';
export type { OnMigration } from './schema.ts';
export type { SignedHead } from './signed-head.ts';
export type { StoreOptions } from './store-options.ts';
export type { StoreCheck } from './store-check.ts';
export { isUniqueViolation } from './sql-error.ts';

/** For what the program does by itself. */
export const SYSTEM: Context = { actor: { kind: 'system', id: null, name: 'system' }, address: '' };

export class Store implements Reader {
  readonly #connection: Connection;
  readonly #options: StoreOptions;
  readonly #migrations: Migration[];
  readonly #now: () => number;
  readonly #generationCheck: GenerationCheck | undefined;
  readonly #after: AfterCommit;
  #isFollower: boolean;
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

  /**
   * Checks a received copy of another store's database that nobody has open, and resets in it what describes the other's file. Gives the position from which to follow on. Throws
   * `STORE_CORRUPT`, `STORE_TABLE_UNFIT`.
   */
  static async prepareSnapshot(file: string): Promise<LogHead> {
    return await prepareCopy(file);
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
    this.#isFollower = options.follower === true;
    this.#after = new AfterCommit(options);
  }

  /** Whether it applies another store's changes, and makes none of its own. */
  get isFollower(): boolean {
    return this.#isFollower;
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
   * throws, what `mayWrite` throws, `STORE_FENCED` when another writer has taken over, `STORE_FOLLOWER`, `STORE_ENTRY_TOO_LARGE`, `STORE_DISK_FULL`, `STORE_IO`, `STORE_BUSY`; nothing
   * is changed then.
   */
  transact<T>(context: Context, event: AuditEvent | ((result: T) => AuditEvent), work: (tx: Tx) => T): T {
    const effects: (() => void)[] = [];
    let mustWait = false;
    const { result, seq } = this.#commit((atMs, epoch) => {
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
      mustWait = waitsForPeer(auditEvent);
      appendAudit(this.#connection, { appliance: this.#options.appliance, epoch, atMs }, context, auditEvent);
      this.#step('audited');
      return value;
    });
    this.#after.own(seq, mustWait, effects);
    return result;
  }

  /** Signs the heads of both chains (hourly, by the composition root) and stores the statement. `sign` gets the bytes of the statement. */
  signHead(sign: (bytes: Uint8Array) => Uint8Array): SignedHead {
    const { appliance } = this.#options;
    const { result, seq } = this.#commit((atMs, epoch) => insertHead(this.#connection, { appliance, epoch, atMs }, sign));
    this.#after.own(seq, false);
    return result;
  }

  /** The newest signed heads, if any were signed yet. */
  lastHead(): SignedHead | undefined {
    return newestHead(this.#connection);
  }

  /** The newest entry of the change log, and epoch and schema number in force. */
  head(): LogHead {
    return readHead(this.#connection);
  }

  /** Entries after `seq`, oldest first, up to `maxBytes` on the wire but one at least, when there is one. Throws `STORE_LOG_TRIMMED` when the next one was cut off. */
  entriesAfter(seq: number, maxBytes: number): ChangeLogEntry[] {
    return entriesAfter(this.#connection, seq, maxBytes);
  }

  /** Whether a follower whose newest entry is (`seq`, `hash`) can go on from here: it is an entry of this log, and what follows is still there. */
  hasEntry(seq: number, hash: Uint8Array): boolean {
    return hasEntry(this.#connection, seq, hash);
  }

  /** Tells `listener` the newest entry's number whenever there are new ones, own or applied; returns how to stop it. */
  onAppended(listener: (seq: number) => void): () => void {
    return this.#after.listen(listener);
  }

  /** What was committed after entry `seq`: how many entries, since when, and what people did. */
  changesSince(seq: number): Changes {
    return changesSince(this.#connection, seq);
  }

  /**
   * Cuts off old entries of the change log: `keepFromSeq` is the first one that a follower lacks (beyond the head when none does). What it lacks is kept up to LOG_KEPT_FOR_FOLLOWER,
   * everything else up to LOG_KEPT_FOR_ALL, the newest entry always. In steps, so that other work goes on. Resolves with the number of entries that went.
   */
  async trimLog(keepFromSeq: number): Promise<number> {
    const remove = (belowSeq: number, limit: number) =>
      this.#inside(
        () =>
          this.#connection.run(
            'DELETE FROM change_log WHERE seq IN (SELECT seq FROM change_log WHERE seq < ? ORDER BY seq LIMIT ?)',
            belowSeq,
            limit,
          ).changes,
      );
    return await trimLog({ reader: this.#connection, isOpen: () => !this.#closed, remove }, keepFromSeq, this.#now());
  }

  /**
   * Applies the next entry of another store's change log to this follower, with its own log row, in one transaction; gives the tables whose rows it changed. Throws `STORE_LOG_GAP`,
   * `STORE_LOG_BROKEN`, `STORE_NEWER` or `STORE_DIVERGED` and has changed nothing: the follower stops and takes a snapshot.
   */
  applyEntry(entry: ChangeLogEntry): { tables: string[] } {
    return { tables: this.applyEntries([entry]).tables };
  }

  /** As `applyEntry`, several entries in one transaction: all or none of them. Gives the newest entry's number. */
  applyEntries(entries: readonly ChangeLogEntry[]): { seq: number; tables: string[] } {
    if (!this.#isFollower) throw new Error('bug: a store that writes cannot follow');
    if (entries.length === 0) return { seq: logHead(this.#connection).seq, tables: [] };
    const applied = this.#inside((_, epoch) => {
      const { path } = this.#options;
      const following = new Following(this.#connection, { migrations: this.#migrations, path, epoch });
      this.#step('following');
      for (const entry of entries) following.apply(entry);
      this.#step('applied');
      return { seq: following.seq, tables: following.tables };
    });
    this.#step('followed');
    this.#after.appended(applied.seq);
    return applied;
  }

  /**
   * Makes a writer of a follower, without reopening, all or nothing in one transaction: the epoch, the migrations that this software knows and the schema lacks (as entries), and
   * `event`. Throws `STORE_EPOCH_OLD` for an epoch below the one here, what `open` throws about migrations, what `mayWrite` throws, and stays a follower then.
   */
  promote(context: Context, event: AuditEvent, epoch: number): void {
    if (!this.#isFollower) throw new Error('bug: a store that writes already is not promoted');
    this.#options.mayWrite?.();
    this.#become('writer');
    let seq: number;
    try {
      seq = this.#takeOver(context, event, epoch);
    } catch (error) {
      this.#become('follower');
      throw error;
    }
    this.#after.own(seq, waitsForPeer(event));
  }

  /** Makes a follower of a writer, without reopening: from now on it makes no change of its own. Transactions are synchronous, so none is under way. */
  demote(): void {
    if (this.#inTransaction) throw new Error('bug: a store is demoted within a transaction');
    this.#become('follower');
  }

  /**
   * Content hashes of all replicated tables, read in a worker on one consistent view, while writing goes on. `onPoint` is called at the very moment at which the view is the store's
   * newest state: who sends it to a follower in the order of entries makes both compare the same entry. Rejects with `STORE_BUSY` when the machine is overloaded.
   */
  async hashes(onPoint?: (seq: number) => void): Promise<Hashes> {
    return await readHashes(this.#options.path, () => onPoint?.(logHead(this.#connection).seq), this.#closing.signal);
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
    this.#closing.abort();
    this.#connection.close();
    this.#generationCheck?.[Symbol.dispose]();
  }
  #closed = false;
  readonly #closing = new AbortController();

  [Symbol.dispose](): void {
    this.close();
  }

  /** What `promote` commits; the number of its newest entry. */
  #takeOver(context: Context, event: AuditEvent, epoch: number): number {
    const { path, appliance, onMigration } = this.#options;
    return this.#inside(
      (atMs, found) => {
        if (!Number.isSafeInteger(epoch) || epoch < found) throw epochOld(epoch, found);
        this.#connection.run('UPDATE writer SET epoch = ?', epoch);
        const pending = pendingMigrations(this.#connection, this.#migrations, path);
        for (const index of pending.keys())
          issueMigration(this.#connection, pending, index, { epoch, now: this.#now, onMigration });
        return this.#capture({ epoch, atMs }, () => appendAudit(this.#connection, { appliance, epoch, atMs }, context, event))
          .seq;
      },
      { isOwn: true },
    );
  }

  #become(role: 'writer' | 'follower'): void {
    this.#isFollower = role === 'follower';
    // Captured deletes of a cascade are in the changeset themselves, so that foreign keys, which would cascade again, are off in a follower.
    this.#connection.exec(`PRAGMA foreign_keys = ${this.#isFollower ? 'OFF' : 'ON'}`);
  }

  #prepare(): void {
    if (this.#isFollower) this.#become('follower');
    this.#inside(() => {
      createLocalTables(this.#connection);
      this.#takeGeneration();
    });
    if (!this.#isFollower) {
      const epoch = this.#writer().epoch;
      const pending = pendingMigrations(this.#connection, this.#migrations, this.#options.path);
      const { onMigration, mayWrite } = this.#options;
      migrate(this.#connection, pending, { epoch, now: this.#now, onMigration, mayWrite });
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

  /** `inside`, with a session around `work` whose changeset becomes the log entry. */
  #commit<T>(work: (atMs: number, epoch: number) => T): { result: T; seq: number } {
    if (this.#isFollower) throw follows();
    this.#options.mayWrite?.();
    return this.#inside(
      (atMs, epoch) => {
        this.#step('begun');
        return this.#capture({ epoch, atMs }, () => work(atMs, epoch));
      },
      { isOwn: true, committed: () => this.#step('committed') },
    );
  }

  /** Runs `work` in a session, and writes the entry of what it changed, in the transaction that is open. */
  #capture<T>({ epoch, atMs }: { epoch: number; atMs: number }, work: () => T): { result: T; seq: number } {
    const session = this.#connection.startSession();
    let result: T;
    let bytes: Uint8Array;
    try {
      result = work();
      bytes = session.changeset();
    } finally {
      session.close();
    }
    this.#step('captured');
    // The session is closed: the log row is not in its own changeset.
    const { seq } = appendEntry(this.#connection, { epoch, schema: schemaNumber(this.#connection), atMs, kind: 'change', bytes });
    this.#step('logged');
    return { result, seq };
  }

  /** BEGIN IMMEDIATE, fence, `work`, COMMIT; rolled back when anything throws. An own transaction asks once more before COMMIT whether it may write. */
  #inside<T>(
    work: (atMs: number, epoch: number) => T,
    { isOwn = false, committed }: { isOwn?: boolean; committed?: () => void } = {},
  ): T {
    if (this.#inTransaction) throw new Error('bug: a transaction inside a transaction');
    this.#inTransaction = true;
    try {
      this.#connection.exec('BEGIN IMMEDIATE');
      try {
        const epoch = this.#verifyWriter();
        const result = work(this.#now(), epoch);
        if (isOwn) this.#options.mayWrite?.();
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
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
