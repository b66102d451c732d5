/**
 * The one way to change state. `transact` commits the rows, the audit event and the change-log entry together or not at all.
 *
 * Order inside a transaction: fence → work → audit event → changeset → change-log entry → COMMIT; effects run after the commit and nothing awaits in between.
 * A crash before COMMIT leaves nothing of it; a crash after it leaves all of it, perhaps without its effects: phantom possible, hole never.
 */
import type { Log } from '@bascule/log/log.ts';
import { createHash } from 'node:crypto';
import { auditHash, GENESIS_HASH, type AuditEvent } from './audit.ts';
import { appendChange } from './change-log.ts';
import { GenerationCheck } from './generation-file.ts';
import { migrate, schemaNumber } from './migrate.ts';
import { Connection, type SqlValue } from './sqlite.ts';
import { storeMigrations, type Migration } from './store-migrations.ts';

export type { AuditEvent, JsonValue } from './audit.ts';
export type { SqlValue } from './sqlite.ts';
export type { Migration } from './store-migrations.ts';

/** Who does it, and from where. */
export interface Context {
  actor: { kind: 'user' | 'box-administrator' | 'jump-client' | 'system'; id: string | null; name: string };
  address: string;
}

/** For what the program does by itself. */
export const SYSTEM: Context = { actor: { kind: 'system', id: null, name: 'system' }, address: '' };

export interface Reader {
  get<T>(sql: string, ...params: SqlValue[]): T | undefined;
  all<T>(sql: string, ...params: SqlValue[]): T[];
  iterate<T>(sql: string, ...params: SqlValue[]): IterableIterator<T>;
}

export interface Tx extends Reader {
  run(sql: string, ...params: SqlValue[]): { changes: number };
  /** Runs `effect` after the commit; what it throws is logged and undoes nothing. */
  afterCommit(effect: () => void): void;
}

export interface StoreOptions {
  path: string;
  /** Of every domain of this database; the store adds its own. */
  migrations: Migration[];
  /** The appliance's name in the audit chain. */
  appliance: string;
  /** The fence; absent for a database that has one program only. */
  generation?: { file: string; number: number };
  log: Log;
  now?: () => number;
}

export class Store implements Reader {
  readonly #connection: Connection;
  readonly #appliance: string;
  readonly #fence: GenerationCheck | undefined;
  readonly #generation: number;
  readonly #schema: number;
  readonly #log: Log;
  readonly #now: () => number;
  #inTransaction = false;

  private constructor(connection: Connection, options: StoreOptions) {
    this.#connection = connection;
    this.#appliance = options.appliance;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
    this.#schema = schemaNumber(connection);
    this.#generation = options.generation?.number ?? 0;
    this.#fence = options.generation && new GenerationCheck(options.generation.file, options.generation.number);
  }

  /**
   * Opens the database, checks it, brings it to the schema of this software and takes the writer generation.
   * Throws `STORE_CORRUPT`, `STORE_NEWER`, `STORE_FENCED` or `STORE_DISK_FULL`; the first three change nothing.
   */
  static open(options: StoreOptions): Store {
    using fence = options.generation && new GenerationCheck(options.generation.file, options.generation.number);
    fence?.assertCurrent();
    const connection = new Connection(options.path, options.log);
    try {
      connection.check(options.path);
      migrate(connection, [...storeMigrations, ...options.migrations], options.path, (options.now ?? Date.now)());
      const store = new Store(connection, options);
      store.#takeWrite();
      return store;
    } catch (error) {
      connection.close();
      throw error;
    }
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
   * Runs `work` in one transaction with its audit event and change-log entry, and returns what it returns. `work` is synchronous, and must not call
   * `transact` again. `event` may depend on the result. Throws what `work` throws (nothing is changed then), `STORE_FENCED` or `STORE_DISK_FULL`.
   */
  transact<T>(context: Context, event: AuditEvent | ((result: T) => AuditEvent), work: (tx: Tx) => T): T {
    if (this.#inTransaction) throw new Error('bug: transact inside transact');
    const effects: (() => void)[] = [];
    const result = this.#commitAlone(() => this.#commit(context, event, work, effects));
    for (const effect of effects) this.#runEffect(effect);
    return result;
  }

  /** The head of this appliance's audit chain. */
  lastHead(): { sequence: number; hash: string } {
    return this.#head(this.#epoch());
  }

  /** Signs the head of the audit chain and keeps the signature; at most one for each head. `sign` gets the text `bascule-audit-head/1`, appliance, epoch, sequence and hash, a line each. */
  signHead(sign: (text: Uint8Array) => Uint8Array): void {
    const epoch = this.#epoch();
    const { sequence, hash } = this.#head(epoch);
    const known = this.get(
      'SELECT 1 FROM audit_head WHERE appliance = ? AND epoch = ? AND sequence = ?',
      this.#appliance,
      epoch,
      sequence,
    );
    if (sequence === 0 || known) return;
    this.#fence?.assertCurrent();
    const text = Buffer.from(['bascule-audit-head/1', this.#appliance, epoch, sequence, hash].join('\n'));
    this.#connection.run(
      'INSERT INTO audit_head (appliance, epoch, sequence, hash, at_ms, signature) VALUES (?, ?, ?, ?, ?, ?)',
      this.#appliance,
      epoch,
      sequence,
      hash,
      this.#now(),
      sign(text),
    );
  }

  /** SHA-256 over every row of `table` in the order of its primary key: two copies with the same content have the same. */
  contentHash(table: string): string {
    const columns = this.all<{ name: string; pk: number }>('SELECT name, pk FROM pragma_table_info(?)', table);
    if (columns.length === 0) throw new Error(`bug: there is no table ${table}`);
    const key = columns.filter(({ pk }) => pk > 0).toSorted((one, other) => one.pk - other.pk);
    const list = (names: { name: string }[]) => names.map(({ name }) => `"${name}"`).join(', ');
    const hash = createHash('sha256');
    for (const row of this.iterate<Record<string, SqlValue>>(`SELECT ${list(columns)} FROM "${table}" ORDER BY ${list(key)}`)) {
      hash.update(
        JSON.stringify(
          columns.map(({ name }) =>
            row[name] instanceof Uint8Array ? { hex: Buffer.from(row[name]).toString('hex') } : row[name],
          ),
        ),
      );
      hash.update('\n');
    }
    return hash.digest('hex');
  }

  close(): void {
    this.#fence?.[Symbol.dispose]();
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #commitAlone<T>(commit: () => T): T {
    this.#inTransaction = true;
    try {
      return commit();
    } finally {
      this.#inTransaction = false;
    }
  }

  #commit<T>(context: Context, event: AuditEvent | ((result: T) => AuditEvent), work: (tx: Tx) => T, effects: (() => void)[]): T {
    const connection = this.#connection;
    connection.exec('BEGIN IMMEDIATE');
    const session = connection.database.createSession();
    try {
      this.#assertWriter();
      const result = work({
        get: (sql, ...params) => connection.get(sql, ...params),
        all: (sql, ...params) => connection.all(sql, ...params),
        iterate: (sql, ...params) => connection.iterate(sql, ...params),
        run: (sql, ...params) => connection.run(sql, ...params),
        afterCommit: (effect) => effects.push(effect),
      });
      if (result instanceof Promise) throw new Error('bug: a transaction must be synchronous');
      const atMs = this.#now();
      this.#appendAudit(context, typeof event === 'function' ? event(result) : event, atMs);
      appendChange(connection, { kind: 'change', schema: this.#schema, atMs, payload: session.changeset() });
      session.close();
      connection.exec('COMMIT');
      return result;
    } catch (error) {
      // After SQLITE_FULL SQLite may have rolled back by itself; a session must be closed before the connection goes on.
      if (connection.database.isTransaction) connection.exec('ROLLBACK');
      closeQuietly(session);
      throw error;
    }
  }

  #appendAudit(context: Context, event: AuditEvent, atMs: number): void {
    const epoch = this.#epoch();
    const head = this.#head(epoch);
    const row = {
      appliance: this.#appliance,
      epoch,
      sequence: head.sequence + 1,
      atMs,
      code: event.code,
      summary: event.summary,
      actorKind: context.actor.kind,
      actorId: context.actor.id,
      actorName: context.actor.name,
      address: context.address,
      details: JSON.stringify(event.details),
      previousHash: head.hash,
    };
    this.#connection.run(
      `INSERT INTO audit_event (appliance, epoch, sequence, at_ms, code, summary, actor_kind, actor_id, actor_name, address, details, previous_hash, hash)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...Object.values(row),
      auditHash(row),
    );
  }

  /** The last event of the chain; of a new epoch, the end of the epoch before, so that the chain opens with its predecessor's head. */
  #head(epoch: number): { sequence: number; hash: string } {
    const last = this.#connection.get<{ sequence: number; hash: string }>(
      'SELECT sequence, hash FROM audit_event WHERE appliance = ? AND epoch <= ? ORDER BY epoch DESC, sequence DESC LIMIT 1',
      this.#appliance,
      epoch,
    );
    return last ?? { sequence: 0, hash: GENESIS_HASH };
  }

  #epoch(): number {
    return this.#connection.get<{ epoch: number }>('SELECT epoch FROM writer')?.epoch ?? 1;
  }

  #assertWriter(): void {
    if (!this.#fence) return;
    this.#fence.assertCurrent();
    const row = this.#connection.get<{ generation: number }>('SELECT generation FROM writer');
    if (row?.generation !== this.#generation)
      throw new Error(`bug: the database is held by generation ${row?.generation}, this is ${this.#generation}`);
  }

  #takeWrite(): void {
    if (!this.#fence) return;
    this.#fence.assertCurrent();
    this.#connection.run('UPDATE writer SET generation = ? WHERE generation <= ?', this.#generation, this.#generation);
  }

  #runEffect(effect: () => void): void {
    try {
      effect();
    } catch (error) {
      this.#log.error({ err: error }, 'store.effect-failed');
    }
  }
}

function closeQuietly(session: { close(): void }): void {
  try {
    session.close();
  } catch {
    // closed already, before the COMMIT that failed
  }
}
