import type { Migration } from '@bascule/store/store.ts';

/** Tables of moves to other hardware in box.db; versions 125-127. */
export const moveMigrations: Migration[] = [
  {
    version: 125,
    name: 'move',
    up: `
      CREATE TABLE move_values (
        name TEXT PRIMARY KEY NOT NULL,
        value TEXT NOT NULL
      ) STRICT;
    `,
  },
];
