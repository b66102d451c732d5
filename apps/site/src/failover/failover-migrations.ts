import type { Migration } from '@bascule/store/store.ts';

/** Tables of pair.db, which belongs to this appliance and is never replicated; versions 100-109. */
export const failoverMigrations: Migration[] = [
  {
    version: 100,
    name: 'pair',
    up: `
      CREATE TABLE pair_values (
        name TEXT PRIMARY KEY NOT NULL,
        value TEXT NOT NULL
      ) STRICT;
      CREATE TABLE role_changes (
        id TEXT PRIMARY KEY NOT NULL,
        at_ms INTEGER NOT NULL,
        appliance TEXT NOT NULL,
        role TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        by_name TEXT NOT NULL,
        reason TEXT NOT NULL,
        lost_changes INTEGER,
        lost_seconds REAL
      ) STRICT;
      CREATE TABLE pair_alarms (
        code TEXT PRIMARY KEY NOT NULL,
        since_ms INTEGER NOT NULL,
        params TEXT NOT NULL
      ) STRICT;
      CREATE TABLE pair_archives (
        id TEXT PRIMARY KEY NOT NULL,
        at_ms INTEGER NOT NULL,
        reason TEXT NOT NULL,
        folder TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        changes INTEGER NOT NULL
      ) STRICT;
    `,
  },
];
