import type { Migration } from '@bascule/store/store.ts';

/** Tables of the jump domain in site.db; versions 20-29. */
export const jumpMigrations: Migration[] = [
  {
    version: 20,
    name: 'jump',
    up: `
      CREATE TABLE jump_groups (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL COLLATE NOCASE UNIQUE,
        created_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE jump_group_members (
        group_id TEXT NOT NULL,
        user_id TEXT NOT NULL,
        PRIMARY KEY (group_id, user_id)
      ) STRICT;
      CREATE INDEX jump_group_members_by_user ON jump_group_members (user_id);
      CREATE TABLE jump_clients (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL COLLATE NOCASE,
        group_id TEXT,
        state TEXT NOT NULL,
        comment TEXT NOT NULL,
        host_name TEXT NOT NULL,
        os TEXT NOT NULL,
        arch TEXT NOT NULL,
        addresses TEXT NOT NULL,
        runs_as TEXT NOT NULL,
        version TEXT NOT NULL,
        key_sha256 TEXT NOT NULL,
        token_id TEXT,
        enrolled_at_ms INTEGER NOT NULL,
        last_seen_at_ms INTEGER
      ) STRICT;
      CREATE INDEX jump_clients_by_name ON jump_clients (name);
      CREATE INDEX jump_clients_by_group ON jump_clients (group_id);
      CREATE INDEX jump_clients_by_key ON jump_clients (key_sha256);
      CREATE TABLE jump_deleted_clients (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        deleted_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE jump_tokens (
        id TEXT PRIMARY KEY NOT NULL,
        lookup TEXT NOT NULL UNIQUE,
        secret_sha256 TEXT NOT NULL,
        name TEXT NOT NULL,
        group_id TEXT,
        created_by TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        valid_until_ms INTEGER NOT NULL,
        uses INTEGER NOT NULL,
        uses_left INTEGER NOT NULL,
        approve_each INTEGER NOT NULL,
        revoked INTEGER NOT NULL
      ) STRICT;
    `,
  },
  {
    version: 21,
    name: 'jump client software',
    up: `
      ALTER TABLE jump_clients ADD COLUMN program TEXT NOT NULL DEFAULT 'jump-client';
      ALTER TABLE jump_clients ADD COLUMN revision TEXT NOT NULL DEFAULT '';
      ALTER TABLE jump_clients ADD COLUMN mode TEXT NOT NULL DEFAULT 'active';
      ALTER TABLE jump_clients ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
      ALTER TABLE jump_clients ADD COLUMN software TEXT NOT NULL DEFAULT '';
    `,
  },
];
