import type { Migration } from '@bascule/store/store.ts';

/** Tables of the licence domain in site.db; versions 135-137. */
export const licenceMigrations: Migration[] = [
  {
    version: 135,
    name: 'licences',
    up: `
      CREATE TABLE licence_packages (
        holder TEXT PRIMARY KEY NOT NULL,
        version TEXT NOT NULL,
        terms TEXT NOT NULL,
        told_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE licence_endpoints (
        client_id TEXT PRIMARY KEY NOT NULL,
        since_ms INTEGER NOT NULL,
        given_by TEXT NOT NULL
      ) STRICT;
      CREATE TABLE licence_warnings (
        name TEXT PRIMARY KEY NOT NULL,
        about TEXT NOT NULL
      ) STRICT;
    `,
  },
];
