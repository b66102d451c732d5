import type { Migration } from '@bascule/store/store.ts';

/** The network of the box, in box.db; versions 65, 67-69 (66 is the site host's) and 111. */
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
  {
    version: 111,
    name: 'static routes',
    // pending_network_change (67) is not used any more: `changes` has what waits for being confirmed.
    up: `
      CREATE TABLE static_routes (
        id TEXT PRIMARY KEY NOT NULL,
        enabled INTEGER NOT NULL,
        destination TEXT NOT NULL,
        gateway TEXT NOT NULL,
        device TEXT,
        metric INTEGER NOT NULL
      ) STRICT;
    `,
  },
];
