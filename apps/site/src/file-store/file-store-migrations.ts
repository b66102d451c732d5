import type { Migration } from '@bascule/store/store.ts';

/** Tables of the file store in site.db; versions 125-129. */
export const fileStoreMigrations: Migration[] = [
  {
    version: 125,
    name: 'file store',
    up: `
      CREATE TABLE stored_files (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        name_key TEXT NOT NULL,
        description TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        uploaded_at_ms INTEGER NOT NULL,
        uploaded_by TEXT NOT NULL,
        deleted_at_ms INTEGER
      ) STRICT;
      CREATE INDEX stored_files_by_content ON stored_files (sha256);
      CREATE TABLE stored_uploads (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        total_bytes INTEGER NOT NULL,
        sha256 TEXT,
        content_sha256 TEXT,
        started_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE erased_files (
        sha256 TEXT PRIMARY KEY NOT NULL,
        erased_at_ms INTEGER NOT NULL
      ) STRICT;
    `,
  },
];
