import type { Migration } from '@bascule/store/store.ts';

/** Tables of the upgrade queue in site.db; versions 90-94. */
export const fleetMigrations: Migration[] = [
  {
    version: 90,
    name: 'fleet',
    up: `
      CREATE TABLE fleet_rollouts (
        id TEXT PRIMARY KEY NOT NULL,
        version TEXT NOT NULL,
        revision TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        started_at_ms INTEGER,
        ended_at_ms INTEGER,
        is_on INTEGER NOT NULL,
        is_paused INTEGER NOT NULL,
        halt TEXT NOT NULL,
        rings TEXT NOT NULL,
        bytes_sent INTEGER NOT NULL,
        chart TEXT NOT NULL
      ) STRICT;
      CREATE TABLE fleet_upgrades (
        client_id TEXT PRIMARY KEY NOT NULL,
        rollout_id TEXT NOT NULL,
        order_id TEXT NOT NULL,
        state TEXT NOT NULL,
        from_version TEXT NOT NULL,
        version TEXT NOT NULL,
        bundle TEXT NOT NULL,
        parcels TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        lease_until_ms INTEGER,
        next_try_at_ms INTEGER,
        failure TEXT,
        reason TEXT,
        front INTEGER NOT NULL,
        begun_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER,
        counted INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX fleet_upgrades_by_rollout ON fleet_upgrades (rollout_id);
      CREATE TABLE fleet_uninstalls (
        client_id TEXT PRIMARY KEY NOT NULL,
        asked_at_ms INTEGER NOT NULL,
        asked_by TEXT NOT NULL,
        told_at_ms INTEGER,
        failed TEXT
      ) STRICT;
    `,
  },
  {
    version: 91,
    name: 'fleet-failed-version',
    // The newest version that the client could not run: kept beyond its order.
    up: `ALTER TABLE fleet_upgrades ADD COLUMN failed_version TEXT;`,
  },
];
