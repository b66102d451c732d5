/** A local copy of some tables of one store in another: what a standby needs of accounts and settings for its own login (not replication). */
import { defineAuditEvent } from './audit.ts';
import { tableColumns } from './schema.ts';
import { isUniqueViolation } from './sql-error.ts';
import { SYSTEM, type Store } from './store.ts';
import type { Reader, SqlValue, Tx } from './transaction.ts';

const rowsCopied = defineAuditEvent<{ rows: number; tables: string }>('ROWS_COPIED', 'Copied {rows:row,rows} of {tables}', {
  housekeeping: true,
});

type Row = Record<string, SqlValue>;

interface Difference {
  table: string;
  key: string[];
  /** Columns that both sides have. */
  columns: string[];
  /** Columns whose value here stays as it is in rows that are here already. */
  kept: string[];
  removed: Row[];
  changed: Row[];
  added: Row[];
}

/**
 * Makes `tables` of `to` hold the rows that `from` has: adds, changes and deletes, in one transaction, none at all when they are equal. Columns and tables that one side lacks are
 * passed over. `keep`: by table, columns whose value here is not overwritten (what counts failed logins here). Returns how many rows were touched.
 */
export function copyRows(from: Reader, to: Store, tables: string[], keep: Record<string, string[]> = {}): number {
  const differences = tables
    .map((table) => compare(from, to, table, keep[table] ?? []))
    .filter((found): found is Difference => found !== undefined);
  const rows = differences.reduce((sum, { removed, changed, added }) => sum + removed.length + changed.length + added.length, 0);
  if (rows === 0) return 0;
  const touched = differences.filter(({ removed, changed, added }) => removed.length + changed.length + added.length > 0);
  const event = rowsCopied({ rows, tables: touched.map(({ table }) => table).join(', ') });
  try {
    to.transact(SYSTEM, event, (tx) => apply(tx, touched, false));
  } catch (error) {
    // Two rows have exchanged a unique value: one of them must go before the other can take it.
    if (!isUniqueViolation(error)) throw error;
    to.transact(SYSTEM, event, (tx) => apply(tx, touched, true));
  }
  return rows;
}

function compare(from: Reader, to: Reader, table: string, keep: string[]): Difference | undefined {
  const source = tableColumns(from, table);
  const target = tableColumns(to, table);
  const columns = source.columns.filter((column) => target.columns.includes(column));
  const { key } = target;
  if (columns.length === 0 || !key.every((column) => columns.includes(column))) return undefined;
  const kept = keep.filter((column) => columns.includes(column) && !key.includes(column));
  const select = `SELECT ${list(columns)} FROM ${list([table])}`;
  const nameOf = (row: Row) => JSON.stringify(key.map((column) => plain(row[column] ?? null)));
  const here = new Map(to.all<Row>(select).map((row) => [nameOf(row), row]));
  const difference: Difference = { table, key, columns, kept, removed: [], changed: [], added: [] };
  const compared = columns.filter((column) => !kept.includes(column));
  for (const row of from.iterate<Row>(select)) {
    const name = nameOf(row);
    const own = here.get(name);
    here.delete(name);
    if (own === undefined) difference.added.push(row);
    else if (compared.some((column) => plain(row[column] ?? null) !== plain(own[column] ?? null))) {
      difference.changed.push({ ...row, ...Object.fromEntries(kept.map((column) => [column, own[column] ?? null])) });
    }
  }
  difference.removed.push(...here.values());
  return difference;
}

/** Deletes first, children before parents (the reverse of the order given), so that nothing that goes stands in the way of what comes. */
function apply(tx: Tx, differences: Difference[], replaces: boolean): void {
  for (const { table, key, removed, changed } of differences.toReversed())
    for (const row of replaces ? [...removed, ...changed] : removed)
      tx.run(`DELETE FROM ${list([table])} WHERE ${equal(key, ' AND ')}`, ...valuesOf(row, key));
  for (const { table, key, columns, kept, changed, added } of differences) {
    const insert = `INSERT INTO ${list([table])} (${list(columns)}) VALUES (${columns.map(() => '?').join(', ')})`;
    const set = columns.filter((column) => !key.includes(column) && !kept.includes(column));
    const update = `UPDATE ${list([table])} SET ${equal(set, ', ')} WHERE ${equal(key, ' AND ')}`;
    for (const row of changed) {
      if (replaces) tx.run(insert, ...valuesOf(row, columns));
      else tx.run(update, ...valuesOf(row, [...set, ...key]));
    }
    for (const row of added) tx.run(insert, ...valuesOf(row, columns));
  }
}

/** Names of tables and columns, from the schema, quoted. */
function list(names: string[]): string {
  return names.map((name) => `"${name.replaceAll('"', '""')}"`).join(', ');
}

function equal(names: string[], between: string): string {
  return names.map((name) => `${list([name])} = ?`).join(between);
}

function valuesOf(row: Row, columns: string[]): SqlValue[] {
  return columns.map((column) => row[column] ?? null);
}

/** A value as something that `===` compares by content, kinds apart. */
function plain(value: SqlValue): string | null {
  if (value === null) return null;
  return value instanceof Uint8Array ? `b${Buffer.from(value).toString('base64')}` : `${typeof value}${String(value)}`;
}
