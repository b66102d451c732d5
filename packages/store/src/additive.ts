/** The house rule that migrations only add, checked when one is applied: software of before goes on working on the database (docs/decisions/0096). */
import { AppError } from '@bascule/errors/app-error.ts';
import type { Reader } from './transaction.ts';

interface Column {
  name: string;
  type: string;
  notnull: number;
  initial: string | null;
  pk: number;
}

/** Tables with their columns in stored order and the names of their unique indexes. */
type Shape = Map<string, { columns: Column[]; unique: string[] }>;

/** The shape of every table as it is now. */
export function readShape(reader: Reader): Shape {
  const tables = reader.all<{ name: string }>(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
  );
  return new Map(
    tables.map(({ name }) => {
      const columns = reader.all<Column>(
        'SELECT name, type, "notnull", dflt_value AS initial, pk FROM pragma_table_info(?) ORDER BY cid',
        name,
      );
      const unique = reader.all<{ name: string }>('SELECT name FROM pragma_index_list(?) WHERE "unique" = 1', name);
      return [name, { columns, unique: unique.map((index) => index.name) }];
    }),
  );
}

/**
 * Throws `STORE_MIGRATION_NOT_ADDITIVE` when a table or column of `before` is gone or reads otherwise in `after`, when a new column must be given a value that earlier software
 * does not know of, or when rows that it writes could meet a new UNIQUE.
 */
export function checkAdditive(migration: string, before: Shape, after: Shape): void {
  const refuse = (what: string): never => {
    throw new AppError(
      'internal',
      'STORE_MIGRATION_NOT_ADDITIVE',
      `Migration '${migration}' ${what}, so that earlier software could not work on the database; nothing was changed.`,
    );
  };
  for (const [table, { columns, unique }] of before) {
    const now = after.get(table) ?? refuse(`removes the table '${table}'`);
    for (const [index, column] of columns.entries()) {
      if (JSON.stringify(now.columns[index]) !== JSON.stringify(column))
        refuse(`changes the column '${column.name}' of '${table}'`);
    }
    const mandatory = now.columns.slice(columns.length).find((column) => column.notnull === 1 && column.initial === null);
    if (mandatory !== undefined) refuse(`adds the column '${mandatory.name}' to '${table}' without a default`);
    const index = now.unique.find((name) => !unique.includes(name));
    if (index !== undefined) refuse(`adds the unique index '${index}' to '${table}'`);
  }
}
