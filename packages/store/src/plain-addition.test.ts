import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPlainAddition } from './plain-addition.ts';
import { storeMigrations } from './store-migrations.ts';

const plain = [
  ...storeMigrations.map(({ up }) => up),
  'CREATE TABLE a (id TEXT PRIMARY KEY NOT NULL, other TEXT NOT NULL UNIQUE COLLATE NOCASE) STRICT',
  "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), kind TEXT NOT NULL CHECK (kind IN ('a', 'DROP TABLE x')), n INTEGER NOT NULL DEFAULT -1) STRICT, WITHOUT ROWID;",
  'CREATE TABLE child (id TEXT NOT NULL PRIMARY KEY, parent TEXT NOT NULL REFERENCES parent (id) ON DELETE CASCADE) STRICT',
  "CREATE INDEX a_by_b ON a (b, c DESC); CREATE UNIQUE INDEX a_by_c ON a (c);\n-- why\nALTER TABLE a ADD COLUMN b TEXT NOT NULL DEFAULT ''",
];
const hostile = [
  '',
  ';',
  'PRAGMA writable_schema = ON',
  'CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY) STRICT; PRAGMA foreign_keys = OFF',
  "ATTACH '/etc/passwd' AS x",
  'DROP TABLE audit_event',
  'CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a; END',
  'CREATE VIEW v AS SELECT 1',
  'CREATE VIRTUAL TABLE v USING fts5(text)',
  "INSERT INTO accounts (id) VALUES ('x')",
  "UPDATE accounts SET role = 'admin'",
  'DELETE FROM audit_event',
  'CREATE TABLE a AS SELECT * FROM accounts',
  'CREATE TEMP TABLE a (id TEXT NOT NULL PRIMARY KEY) STRICT',
  'CREATE TABLE main.a (id TEXT NOT NULL PRIMARY KEY) STRICT',
  'CREATE TABLE "a" (id TEXT NOT NULL PRIMARY KEY) STRICT',
  'CREATE TABLE `a` (id TEXT NOT NULL PRIMARY KEY) STRICT',
  'CREATE TABLE [a] (id TEXT NOT NULL PRIMARY KEY) STRICT',
  'CREATE TABLE IF NOT EXISTS a (id TEXT NOT NULL PRIMARY KEY) STRICT',
  'CREATE TABLE sqlite_a (id TEXT NOT NULL PRIMARY KEY) STRICT',
  'CREATE TABLE writer (id TEXT NOT NULL PRIMARY KEY) STRICT',
  'CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY)',
  'CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT) STRICT',
  "CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY CHECK (load_extension('x'))) STRICT",
  "CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY DEFAULT (readfile('x'))) STRICT",
  'CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY, b TEXT GENERATED ALWAYS AS (id)) STRICT',
  'CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY, b TEXT CHECK (b IN (SELECT name FROM accounts))) STRICT',
  'CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY)) STRICT',
  'CREATE INDEX i ON writer (epoch)',
  'CREATE INDEX i ON a (b) WHERE b IS NOT NULL',
  'CREATE INDEX i ON a (lower(b))',
  'ALTER TABLE change_log ADD COLUMN x TEXT',
  'ALTER TABLE a DROP COLUMN b',
  'ALTER TABLE a RENAME TO b',
  'ALTER TABLE a RENAME COLUMN b TO c',
  'ALTER TABLE a ADD COLUMN b TEXT DEFAULT (random())',
  'ALTER TABLE a ADD b TEXT',
  'CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY) STRICT /* ; */',
  "CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY DEFAULT 'x') STRICT; DELETE FROM a --'",
  "CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY DEFAULT 'x''; DROP TABLE b; --') STRICT; DROP TABLE b",
  'CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY) STRICT; VACUUM',
  'BEGIN; CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY) STRICT; COMMIT',
  'CREATE TABLE \u212A (id TEXT NOT NULL PRIMARY KEY) STRICT',
  'CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY) STRICT\0; DROP TABLE b',
  `CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY) STRICT;${' '.repeat(300 * 1024)}`,
];

test('what only adds tables, indexes and columns may come over the wire', () => {
  for (const sql of plain) assert.equal(isPlainAddition(sql), true, sql);
});

test('whatever reads, changes, computes or reaches further is refused', () => {
  for (const sql of hostile) assert.equal(isPlainAddition(sql), false, sql.slice(0, 200));
});
