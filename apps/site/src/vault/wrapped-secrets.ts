/** All secrets that the vault key wraps, whichever domain keeps them, column by column (docs/decisions/0301). */
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { keyIdOf, type KeyRing } from '@bascule/accounts/key-ring.ts';
import type { RingKey } from '@bascule/accounts/key-ring-files.ts';
import type { WrappedColumn } from '@bascule/accounts/wrapped-column.ts';
import { VAULT_SECRETS_PAGE_MAX, type VaultSecret, type VaultSecrets } from '@bascule/protocol/api/vault.ts';
import { SYSTEM, type Reader, type Store } from '@bascule/store/store.ts';
import * as events from './vault-events.ts';

/** Rows that are read, or re-wrapped in one transaction, at once; between two of them everything else has its turn. */
export const ROWS_AT_ONCE = 25;
const NAME_MAX_CHARACTERS = 300;
const CURSOR_SEPARATOR = '/';

interface WrappedRow {
  column: WrappedColumn;
  key: string;
  name: string;
  wrapped: Uint8Array;
}

/** How many secrets of a kind there are. */
export interface KindCount {
  kind: string;
  count: number;
  unreadable: number;
}

export interface WrappedSecretsOptions {
  store: Store;
  ring: KeyRing;
  columns: readonly WrappedColumn[];
}

export class WrappedSecrets {
  readonly #options: WrappedSecretsOptions;

  constructor(options: WrappedSecretsOptions) {
    this.#options = options;
  }

  /** Of every kind that there is any of. */
  async count(): Promise<KindCount[]> {
    const counts = new Map<string, KindCount>();
    for await (const rows of this.#all())
      for (const { column, key, wrapped } of rows) {
        const count = counts.get(column.kind) ?? { kind: column.kind, count: 0, unreadable: 0 };
        count.count += 1;
        if (this.#options.ring.open(wrapped, column.purpose(key)) === undefined) count.unreadable += 1;
        counts.set(column.kind, count);
      }
    return [...counts.values()];
  }

  /** Secrets in plain words, page by page: `after` is the `next` of the page before. */
  async list(show: 'all' | 'unreadable', after?: string): Promise<VaultSecrets> {
    const secrets: VaultSecret[] = [];
    for await (const rows of this.#all(after))
      for (const row of rows) {
        const secret = this.#inWords(row);
        if (show === 'unreadable' && secret.isReadable) continue;
        secrets.push(secret);
        if (secrets.length === VAULT_SECRETS_PAGE_MAX)
          return { secrets, next: `${row.column.kind}${CURSOR_SEPARATOR}${row.key}` };
      }
    return { secrets, next: null };
  }

  /** What `keys`, which are not in the ring, would open of what cannot be read: how many, and the first of them. */
  async openedBy(keys: readonly RingKey[]): Promise<{ opened: VaultSecret[]; count: number; left: number }> {
    const opened: VaultSecret[] = [];
    let count = 0;
    let left = 0;
    const { ring } = this.#options;
    for await (const rows of this.#all())
      for (const row of rows) {
        const purpose = row.column.purpose(row.key);
        if (ring.open(row.wrapped, purpose) !== undefined) continue;
        if (!ring.wouldOpen(keys, row.wrapped, purpose)) {
          left += 1;
          continue;
        }
        count += 1;
        if (opened.length < VAULT_SECRETS_PAGE_MAX) opened.push({ ...this.#inWords(row), isReadable: false });
      }
    return { opened, count, left };
  }

  /** How many of the secrets that can be read each key opens, and how many cannot be read. */
  async byKey(): Promise<{ readable: Map<string, number>; unreadable: number }> {
    const readable = new Map<string, number>();
    let unreadable = 0;
    for await (const rows of this.#all())
      for (const { column, key, wrapped } of rows) {
        const opened = this.#options.ring.open(wrapped, column.purpose(key));
        if (opened === undefined) unreadable += 1;
        else readable.set(opened.keyId, (readable.get(opened.keyId) ?? 0) + 1);
      }
    return { readable, unreadable };
  }

  /**
   * Wraps everything that can be read and is wrapped by a former key with the current one, in small transactions; what somebody changes meanwhile stays as they made it, and what
   * cannot be read stays as it is. `moved` is told after each transaction; what it throws ends it. Ends early when `isStopped`.
   */
  async rewrap(isStopped: () => boolean, moved: (count: number) => void | Promise<void>): Promise<void> {
    const { store, ring } = this.#options;
    for await (const rows of this.#all()) {
      if (isStopped()) return;
      const changes = rows.flatMap(({ column, key, wrapped }) => {
        const opened = ring.open(wrapped, column.purpose(key));
        if (opened === undefined || opened.keyId === ring.currentId) return [];
        return [{ column, key, wrapped, anew: ring.wrap(opened.secret, column.purpose(key)) }];
      });
      const [first] = changes;
      if (first === undefined) continue;
      store.transact(SYSTEM, events.rewrapped({ kind: first.column.kind, count: changes.length }), (tx) => {
        for (const { column, key, wrapped, anew } of changes)
          tx.run(
            `UPDATE ${column.table} SET ${column.column} = ? WHERE ${column.key} = ? AND ${column.column} = ?`,
            anew,
            key,
            wrapped,
          );
      });
      await moved(changes.length);
    }
  }

  /** Rows of one column at a time, those after the cursor `after`. */
  async *#all(after?: string): AsyncGenerator<WrappedRow[]> {
    const { store, columns } = this.#options;
    const separatorAt = after?.indexOf(CURSOR_SEPARATOR) ?? -1;
    const begin = columns.findIndex(({ kind }) => kind === after?.slice(0, separatorAt));
    for (const [index, column] of columns.entries()) {
      if (index < begin) continue;
      let key = index === begin ? (after?.slice(separatorAt + 1) ?? '') : '';
      for (;;) {
        const rows = rowsOf(store, column, key);
        if (rows.length > 0) yield rows;
        if (rows.length < ROWS_AT_ONCE) break;
        key = rows.at(-1)!.key;
        await yieldToOthers();
      }
    }
  }

  #inWords({ column, key, name, wrapped }: WrappedRow): VaultSecret {
    return {
      kind: column.kind,
      name,
      words: column.words(name),
      isReadable: this.#options.ring.open(wrapped, column.purpose(key)) !== undefined,
      keyId: keyIdOf(wrapped) ?? null,
    };
  }
}

function rowsOf(reader: Reader, column: WrappedColumn, after: string): WrappedRow[] {
  const { table, key, nameSql } = column;
  return reader
    .all<{ key: string; name: string; wrapped: Uint8Array }>(
      `SELECT ${key} AS key, substr(${nameSql}, 1, ${NAME_MAX_CHARACTERS}) AS name, ${column.column} AS wrapped FROM ${table}
       WHERE ${column.column} IS NOT NULL AND ${key} > ? ORDER BY ${key} LIMIT ${ROWS_AT_ONCE}`,
      after,
    )
    .map((row) => ({ column, ...row }));
}
