import { pathToFileURL } from 'node:url';
import { DatabaseSync, type Session, type StatementSync } from 'node:sqlite';
import type { Log } from '@bascule/log/log.ts';
import { storeError } from './sql-error.ts';
import type { Reader, SqlValue } from './transaction.ts';

/** How long a statement waits for another connection's lock. */
const BUSY_TIMEOUT_MS = 5_000;
/** Statements kept prepared; the longest unused one goes first. */
const STATEMENT_CACHE_MAX = 256;
/** A statement slower than this is logged. */
const SLOW_STATEMENT_MS = 100;
/** The write-ahead log is cut back to this size after a checkpoint. */
const WAL_SIZE_LIMIT_BYTES = 64 * 1024 * 1024;

/** The one user of node:sqlite's connection: pragmas, prepared statements, SQL text in errors, slow statements in the log. */
export class Connection implements Reader {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #log: Log | undefined;
  readonly #statements = new Map<string, StatementSync>();

  /** `read` changes nothing but the index of the write-ahead log; `immutable` not even that, for a file that nobody has open; `recover` lets SQLite play back its journal, and sets nothing; `write` sets our pragmas. */
  constructor(path: string, log: Log | undefined, mode: 'write' | 'read' | 'immutable' | 'recover') {
    this.path = path;
    this.#log = log;
    const readOnly = mode === 'read' || mode === 'immutable';
    const place = mode === 'immutable' ? new URL('?immutable=1', pathToFileURL(path)) : path;
    this.#database = this.#attempt(
      'open',
      () => new DatabaseSync(place, { readOnly, timeout: BUSY_TIMEOUT_MS, defensive: true }),
    );
    try {
      // A database may have been made by somebody else: what its schema says runs no function that does more than compute.
      this.exec('PRAGMA trusted_schema = OFF');
      if (mode === 'write') {
        this.exec('PRAGMA journal_mode = WAL');
        this.exec('PRAGMA synchronous = FULL');
        this.exec('PRAGMA foreign_keys = ON');
        this.exec(`PRAGMA journal_size_limit = ${WAL_SIZE_LIMIT_BYTES}`);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get isTransaction(): boolean {
    return this.#database.isTransaction;
  }

  exec(sql: string): void {
    this.#attempt(sql, () => this.#database.exec(sql));
  }

  get<T>(sql: string, ...params: SqlValue[]): T | undefined {
    return this.#attempt(sql, () => this.#prepared(sql).get(...params) as T | undefined);
  }

  all<T>(sql: string, ...params: SqlValue[]): T[] {
    return this.#attempt(sql, () => this.#prepared(sql).all(...params) as T[]);
  }

  /** Rows one by one. The statement is not taken from the cache: two iterations of one text must not disturb each other. */
  *iterate<T>(sql: string, ...params: SqlValue[]): IterableIterator<T> {
    const rows = this.#attempt(sql, () => this.#database.prepare(sql).iterate(...params));
    try {
      while (true) {
        const row = this.#attempt(sql, () => rows.next());
        if (row.done === true) return;
        yield row.value as T;
      }
    } finally {
      // A statement that was not read to its end holds its tables locked, and the write-ahead log as long as it is.
      rows.return?.();
    }
  }

  /** Rows as arrays, integers as bigint: for hashing what is really stored. */
  *iterateExactly(sql: string): IterableIterator<SqlValue[]> {
    const statement = this.#attempt(sql, () => this.#database.prepare(sql, { readBigInts: true, returnArrays: true }));
    for (const row of statement.iterate()) yield row as unknown as SqlValue[];
  }

  run(sql: string, ...params: SqlValue[]): { changes: number } {
    return this.#attempt(sql, () => ({ changes: Number(this.#prepared(sql).run(...params).changes) }));
  }

  /** A session that captures what is changed from now on, in all tables. A new one for each transaction: there is no reset. */
  startSession(): Session {
    return this.#attempt('session', () => this.#database.createSession());
  }

  /** Applies a changeset; any conflict at all aborts it. Says whether it was applied. */
  applyChangeset(changeset: Uint8Array): boolean {
    const abort = 2; // SQLITE_CHANGESET_ABORT
    return this.#attempt('apply changeset', () => this.#database.applyChangeset(changeset, { onConflict: () => abort }));
  }

  /** Rolls back if a transaction is open: SQLite may have done so itself (disk full, I/O error). */
  rollback(): void {
    if (this.#database.isTransaction) this.exec('ROLLBACK');
  }

  /** Forgets prepared statements: after the schema has changed. */
  forgetStatements(): void {
    this.#statements.clear();
  }

  close(): void {
    this.#statements.clear();
    this.#database[Symbol.dispose]();
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    this.#statements.delete(sql);
    const statement = known ?? this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    if (this.#statements.size > STATEMENT_CACHE_MAX) {
      const [oldest] = this.#statements.keys();
      if (oldest !== undefined) this.#statements.delete(oldest);
    }
    return statement;
  }

  #attempt<T>(sql: string, action: () => T): T {
    const startedMs = performance.now();
    try {
      return action();
    } catch (error) {
      throw storeError(error, sql, this.path);
    } finally {
      const durationMs = performance.now() - startedMs;
      if (durationMs > SLOW_STATEMENT_MS) this.#log?.warn({ sql, durationMs: Math.round(durationMs) }, 'store-slow-statement');
    }
  }
}
