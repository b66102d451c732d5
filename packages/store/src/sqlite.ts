/** The one place that talks to node:sqlite: pragmas, statement cache, errors with their SQL, slow statements. */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Log } from '@bascule/log/log.ts';
import { AppError } from '@bascule/errors/app-error.ts';

export type SqlValue = string | number | bigint | null | Uint8Array;

const STATEMENT_CACHE_MAX = 256;
const SLOW_STATEMENT_MS = 100;
const BUSY_TIMEOUT_MS = 5000;
const SQLITE_FULL = 13;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

export class Connection {
  readonly database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #log: Log;

  /** Opens the database at `path` and sets its pragmas. Throws `STORE_CORRUPT` when it is no sound database. */
  constructor(path: string, log: Log, options: { readOnly?: boolean } = {}) {
    this.#log = log;
    try {
      this.database = new DatabaseSync(path, {
        enableForeignKeyConstraints: true,
        timeout: BUSY_TIMEOUT_MS,
        readOnly: options.readOnly ?? false,
      });
      if (options.readOnly) return;
      this.database.exec(
        'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;',
      );
    } catch (error) {
      throw translate(error, 'opening the database', path);
    }
  }

  /** Throws `STORE_CORRUPT` unless SQLite finds the whole file sound. */
  check(path: string): void {
    const rows = this.all<{ quick_check: string }>('PRAGMA quick_check(1)');
    if (rows[0]?.quick_check !== 'ok') throw corrupt(path, rows[0]?.quick_check);
  }

  get<T>(sql: string, ...params: SqlValue[]): T | undefined {
    return this.#timed(sql, (statement) => statement.get(...params) as T | undefined);
  }

  all<T>(sql: string, ...params: SqlValue[]): T[] {
    return this.#timed(sql, (statement) => statement.all(...params) as T[]);
  }

  *iterate<T>(sql: string, ...params: SqlValue[]): IterableIterator<T> {
    // Not from the cache: an iteration may still run when the same SQL is asked again.
    yield* this.database.prepare(sql).iterate(...params) as IterableIterator<T>;
  }

  run(sql: string, ...params: SqlValue[]): { changes: number } {
    return this.#timed(sql, (statement) => ({ changes: Number(statement.run(...params).changes) }));
  }

  exec(sql: string): void {
    try {
      this.database.exec(sql);
    } catch (error) {
      throw translate(error, sql);
    }
  }

  close(): void {
    this.#statements.clear();
    if (this.database.isOpen) this.database.close();
  }

  #timed<T>(sql: string, work: (statement: StatementSync) => T): T {
    const startedAtMs = performance.now();
    try {
      return work(this.#prepare(sql));
    } catch (error) {
      throw translate(error, sql);
    } finally {
      const tookMs = performance.now() - startedAtMs;
      if (tookMs > SLOW_STATEMENT_MS) this.#log.warn({ sql, tookMs: Math.round(tookMs) }, 'store.slow-statement');
    }
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    if (this.#statements.size >= STATEMENT_CACHE_MAX) this.#statements.delete(this.#statements.keys().next().value ?? '');
    const statement = this.database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** Turns SQLite's faults into ours; what is our own bug keeps its SQL text. */
export function translate(error: unknown, sql: string, path?: string): Error {
  if (error instanceof AppError) return error;
  const code = (error as { errcode?: number }).errcode;
  const primary = code === undefined ? undefined : code & 0xff;
  if (primary === SQLITE_FULL) {
    return new AppError(
      'unavailable',
      'STORE_DISK_FULL',
      'The disk is full: nothing was changed. Free space on the appliance, then try again.',
      { cause: error },
    );
  }
  if (primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB) return corrupt(path ?? 'the database', error);
  const message = error instanceof Error ? error.message : String(error);
  return new Error(`${message}; SQL: ${sql}`, { cause: error });
}

function corrupt(path: string, cause: unknown): AppError {
  return new AppError('internal', 'STORE_CORRUPT', `${path} is damaged and was left as it is: restore it from a backup.`, {
    cause,
  });
}
