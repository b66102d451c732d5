import type { Migration } from '@bascule/store/store.ts';

/** State of the update server; versions 80-89. */
export const serverMigrations: Migration[] = [
  {
    version: 80,
    name: 'update-server',
    up: `
      CREATE TABLE appliance (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        public_key TEXT NOT NULL,
        ring TEXT NOT NULL,
        holder TEXT NOT NULL,
        contact TEXT NOT NULL,
        language TEXT NOT NULL,
        maintained_until_ms INTEGER,
        registered_at_ms INTEGER NOT NULL,
        seen_at_ms INTEGER,
        seen_address TEXT NOT NULL,
        installed TEXT
      ) STRICT;
      CREATE TABLE schedule (
        id TEXT NOT NULL PRIMARY KEY,
        package TEXT NOT NULL,
        version TEXT NOT NULL,
        appliance_id TEXT,
        ring TEXT,
        from_ms INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE used_nonce (
        nonce TEXT NOT NULL PRIMARY KEY,
        until_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX used_nonce_until ON used_nonce (until_ms);
      CREATE TABLE download (
        id TEXT NOT NULL PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        appliance_id TEXT,
        appliance_name TEXT NOT NULL,
        address TEXT NOT NULL,
        way TEXT NOT NULL,
        target TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        is_whole INTEGER NOT NULL,
        is_forgotten INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX download_appliance ON download (appliance_id, target);
      CREATE TABLE notice (
        appliance_id TEXT NOT NULL,
        target TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (appliance_id, target)
      ) STRICT;
    `,
  },
];
