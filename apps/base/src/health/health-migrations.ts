import type { Migration } from '@bascule/store/store.ts';

/** What raises alarms, and those that are raised, in box.db; version 120. */
export const healthMigrations: Migration[] = [
  {
    version: 120,
    name: 'health',
    up: `
      CREATE TABLE health_settings (
        one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
        thresholds TEXT NOT NULL
      ) STRICT;
      CREATE TABLE health_alarms (
        code TEXT PRIMARY KEY NOT NULL,
        raised_at_ms INTEGER NOT NULL,
        text TEXT NOT NULL
      ) STRICT;
    `,
  },
];
