/** What callers of the store hold in their hands: readers, transactions, who acts, and what is written down about it. */

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };
export type SqlValue = string | number | bigint | null | Uint8Array;

/** Who acts, and from where. */
export interface Context {
  actor: { kind: 'user' | 'box-administrator' | 'jump-client' | 'system'; id: string | null; name: string };
  address: string;
}

/** One line of the audit. Made by the functions that `defineAuditEvent` returns; never holds secrets. */
export interface AuditEvent {
  code: string;
  summary: string;
  details: Record<string, JsonValue>;
}

/** Reads. `T` is the shape of a row as the SQL names its columns; a statement's text is never built from input. */
export interface Reader {
  get<T>(sql: string, ...params: SqlValue[]): T | undefined;
  all<T>(sql: string, ...params: SqlValue[]): T[];
  iterate<T>(sql: string, ...params: SqlValue[]): IterableIterator<T>;
}

/** A transaction that is under way. It is dead once the work function has returned. */
export interface Tx extends Reader {
  run(sql: string, ...params: SqlValue[]): { changes: number };
  /** Runs `effect` when the transaction is on disk, and never otherwise. An effect that throws is logged; nothing is undone. */
  afterCommit(effect: () => void): void;
}

/** One numbered step of the schema. `up` only adds (docs/decisions/0013): columns, tables, plain indexes. */
export interface Migration {
  version: number;
  name: string;
  up: string;
  /** False for one after which earlier software must not open the database any more. Every other one is checked when it is applied. */
  additive?: false;
}

/** The points that a transaction passes, in order: where tests cut it. */
export const TRANSACTION_STEPS = ['begun', 'worked', 'audited', 'captured', 'logged', 'committed'] as const;
/** Those of a follower's transaction. */
export const FOLLOWING_STEPS = ['following', 'applied', 'followed'] as const;
export type TransactionStep = (typeof TRANSACTION_STEPS | typeof FOLLOWING_STEPS)[number];
