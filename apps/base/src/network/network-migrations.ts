import type { Migration } from '@bascule/store/store.ts';

/** The network of the box, in box.db; versions 65-69. */
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
];
