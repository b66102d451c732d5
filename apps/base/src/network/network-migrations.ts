import type { Migration } from '@bascule/store/store.ts';

/** The network of the box, in box.db; versions 65 and 67-69 (66 is the site host's). */
export const networkMigrations: Migration[] = [
  {
    version: 65,
    name: 'time',
    up: `
      CREATE TABLE network_settings (
        name TEXT PRIMARY KEY NOT NULL,
        value TEXT NOT NULL
      ) STRICT;
      CREATE TABLE highest_time (
        one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
        seen_ms INTEGER NOT NULL
      ) STRICT;
    `,
  },
  {
    version: 67,
    name: 'addresses',
    up: `
      CREATE TABLE ip_addresses (
        id TEXT PRIMARY KEY NOT NULL,
        enabled INTEGER NOT NULL,
        device TEXT NOT NULL,
        address TEXT NOT NULL UNIQUE,
        prefix INTEGER NOT NULL,
        access_type TEXT NOT NULL,
        shared INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE pending_network_change (
        one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
        cut TEXT NOT NULL,
        undo_at_ms INTEGER NOT NULL,
        rows TEXT NOT NULL
      ) STRICT;
      CREATE TABLE traffic_secret (
        one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
        wrapped BLOB NOT NULL
      ) STRICT;
    `,
  },
];
