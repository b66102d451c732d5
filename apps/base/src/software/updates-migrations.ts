import type { Migration } from '@bascule/store/store.ts';

/** Tables of the software domain's part that looks for updates (box.db, versions 55 to 59). */
export const updatesMigrations: Migration[] = [
  {
    version: 55,
    name: 'updates',
    up: `
      CREATE TABLE update_setting (
        name TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
      ) STRICT;
      CREATE TABLE update_trust (
        one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
        confirmed_by TEXT NOT NULL,
        confirmed_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE update_check (
        one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
        result TEXT NOT NULL
      ) STRICT;
      CREATE TABLE update_eula (
        sha256 TEXT NOT NULL PRIMARY KEY,
        accepted_by TEXT NOT NULL,
        accepted_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE update_key (
        nonce TEXT NOT NULL PRIMARY KEY,
        made_at_ms INTEGER NOT NULL,
        expires_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE update_upload (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        total_bytes INTEGER NOT NULL,
        sha256 TEXT,
        started_at_ms INTEGER NOT NULL
      ) STRICT;`,
  },
];
