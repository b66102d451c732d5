import { DatabaseSync } from 'node:sqlite';

/** Rows of 1 KB in a table of their own, in the database of a site that is not running: what integrity checks, snapshots and copies of a big site have to read. */
export function fillDatabase(path: string, bytes: number): void {
  const database = new DatabaseSync(path);
  database.exec('CREATE TABLE bench_filler (id TEXT PRIMARY KEY NOT NULL, content BLOB NOT NULL) STRICT');
  const insert = database.prepare('INSERT INTO bench_filler (id, content) VALUES (?, randomblob(1000))');
  const rows = Math.ceil(bytes / 1050);
  for (let row = 0; row < rows;) {
    database.exec('BEGIN');
    for (const end = Math.min(rows, row + 50_000); row < end; row++) insert.run(String(row).padStart(12, '0'));
    database.exec('COMMIT');
  }
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
}
