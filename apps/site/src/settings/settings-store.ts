import type { Reader, Tx } from '@bascule/store/store.ts';

/** The setting `name` as it was stored; undefined when it never was. */
export function readSetting(reader: Reader, name: string): unknown {
  const row = reader.get<{ value: string }>('SELECT value FROM settings WHERE name = ?', name);
  return row === undefined ? undefined : JSON.parse(row.value);
}

export function writeSetting(tx: Tx, name: string, value: unknown): void {
  const sql = 'INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value';
  tx.run(sql, name, JSON.stringify(value));
}
