import type { Migration } from '@bascule/store/store.ts';

/** Changes that wait for being confirmed, and the box's settings that are one document each; version 110. */
export const changeMigrations: Migration[] = [
  {
    version: 110,
    name: 'changes',
    up: `
      CREATE TABLE pending_change (
        one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
        about TEXT NOT NULL,
        made_by TEXT NOT NULL,
        undo_at_ms INTEGER NOT NULL,
        parts TEXT NOT NULL
      ) STRICT;
      CREATE TABLE box_documents (
        name TEXT PRIMARY KEY NOT NULL,
        value TEXT NOT NULL
      ) STRICT;
    `,
  },
];
