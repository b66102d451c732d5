/** A database as SQL text and back: what a release's fixtures hold. */
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';

/** Schema and rows of the SQLite file `path`, which nobody has open. Rows come in the order of their table's key. */
export function dumpDatabase(path: string): { schema: string; rows: string } {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const objects = database
      .prepare(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type DESC, name",
      )
      .all() as { type: string; name: string; sql: string }[];
    const tables = objects.filter(({ type }) => type === 'table');
    return {
      schema: objects.map(({ sql }) => `${sql};\n`).join('\n'),
      rows: tables.map(({ name }) => dumpRows(database, name)).join(''),
    };
  } finally {
    database.close();
  }
}

/** Makes the SQLite file `path` from what `dumpDatabase` gave. */
export function restoreDatabase(path: string, dump: { schema: string; rows: string }): void {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  try {
    database.exec(`BEGIN;\n${dump.schema}\n${dump.rows}\nCOMMIT;`);
  } finally {
    database.close();
  }
}

/** Every row of every table of the SQLite file `path`, by table; integers as bigint. */
export function readTables(path: string): Map<string, Record<string, SQLOutputValue>[]> {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const names = database
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")
      .all() as { name: string }[];
    return new Map(names.map(({ name }) => [name, allRows(database, name)]));
  } finally {
    database.close();
  }
}

function dumpRows(database: DatabaseSync, table: string): string {
  return allRows(database, table)
    .map((row) => {
      const columns = Object.keys(row).map((name) => `"${name}"`);
      return `INSERT INTO "${table}" (${columns.join(', ')}) VALUES (${Object.values(row).map(literal).join(', ')});\n`;
    })
    .join('');
}

function allRows(database: DatabaseSync, table: string): Record<string, SQLOutputValue>[] {
  const key = database.prepare('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk').all(table) as { name: string }[];
  const order = key.map(({ name }) => `"${name}"`).join(', ') || '1';
  const statement = database.prepare(`SELECT * FROM "${table}" ORDER BY ${order}`);
  statement.setReadBigInts(true);
  return statement.all();
}

function literal(value: SQLOutputValue): string {
  if (value === null) return 'NULL';
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  if (value instanceof Uint8Array) return `X'${Buffer.from(value).toString('hex')}'`;
  return String(value);
}
