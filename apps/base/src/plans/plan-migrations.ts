import type { Migration } from '@bascule/store/store.ts';

/** Upgrade plans in box.db; versions 70-74. */
export const planMigrations: Migration[] = [
  {
    version: 70,
    name: 'upgrade-plans',
    up: `
      CREATE TABLE upgrade_plan (
        id TEXT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER,
        record TEXT NOT NULL
      ) STRICT;
      CREATE INDEX upgrade_plan_by_time ON upgrade_plan (created_at_ms);
      CREATE TABLE plan_installation (
        plan TEXT NOT NULL,
        what TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        asked_at_ms INTEGER NOT NULL,
        installation TEXT,
        PRIMARY KEY (plan, what, attempt)
      ) STRICT;`,
  },
];
