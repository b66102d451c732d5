import type { Connection } from './connection.ts';
import type { SqlValue, Tx } from './transaction.ts';

/** The transaction that a work function gets; refuses use after its end, and after SQLite itself has rolled back. */
export class OpenTransaction implements Tx {
  readonly #connection: Connection;
  readonly #effects: (() => void)[];
  #ended = false;
  constructor(connection: Connection, effects: (() => void)[]) {
    this.#connection = connection;
    this.#effects = effects;
  }

  get<T>(sql: string, ...params: SqlValue[]): T | undefined {
    return this.#open().get<T>(sql, ...params);
  }

  all<T>(sql: string, ...params: SqlValue[]): T[] {
    return this.#open().all<T>(sql, ...params);
  }

  iterate<T>(sql: string, ...params: SqlValue[]): IterableIterator<T> {
    return this.#open().iterate<T>(sql, ...params);
  }

  run(sql: string, ...params: SqlValue[]): { changes: number } {
    return this.#open().run(sql, ...params);
  }

  afterCommit(effect: () => void): void {
    this.#open();
    this.#effects.push(effect);
  }

  end(): void {
    this.#ended = true;
  }

  /** SQLite may roll back by itself (disk full); work that swallowed that error must not write on outside of a transaction. */
  #open(): Connection {
    if (this.#ended || !this.#connection.isTransaction) throw new Error('bug: the transaction is over');
    return this.#connection;
  }
}
