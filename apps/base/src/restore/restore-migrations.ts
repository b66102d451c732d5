import type { Migration } from '@bascule/store/store.ts';

/** Tables of restores (versions 118 and 119 of box.db). Only columns and tables are ever added. */
export const restoreMigrations: Migration[] = [
  {
    version: 118,
    name: 'restorations',
    up: `
      CREATE TABLE restoration (
        id TEXT NOT NULL PRIMARY KEY,
        operation TEXT NOT NULL,
        source TEXT NOT NULL,
        started_by TEXT NOT NULL,
        started_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER,
        outcome TEXT NOT NULL,
        step TEXT NOT NULL,
        steps TEXT NOT NULL,
        cause TEXT,
        report TEXT,
        details TEXT NOT NULL,
        acknowledged_by TEXT
      ) STRICT;
      CREATE INDEX restoration_by_start ON restoration (started_at_ms);`,
  },
  {
    version: 119,
    name: 'restore-uploads',
    up: `
      CREATE TABLE restore_upload (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        total_bytes INTEGER NOT NULL,
        sha256 TEXT,
        started_at_ms INTEGER NOT NULL
      ) STRICT;`,
  },
];
