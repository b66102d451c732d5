import type { Migration } from '@bascule/store/store.ts';

/** Tables of the installers domain in site.db; versions 95-96. */
export const installersMigrations: Migration[] = [
  {
    version: 95,
    name: 'installers',
    up: `
      CREATE TABLE installers (
        id TEXT PRIMARY KEY NOT NULL,
        token_id TEXT NOT NULL UNIQUE,
        program TEXT NOT NULL,
        name TEXT NOT NULL,
        mode TEXT NOT NULL,
        tags TEXT NOT NULL,
        comment TEXT NOT NULL,
        is_generic INTEGER NOT NULL,
        version TEXT NOT NULL,
        created_by TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        wrapped_key BLOB
      ) STRICT;
    `,
  },
  {
    version: 96,
    name: 'installers pin a site identity',
    up: `ALTER TABLE installers ADD COLUMN identity_sha256 TEXT NOT NULL DEFAULT '';`,
  },
];
