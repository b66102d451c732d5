import type { Migration } from '@bascule/store/store.ts';

/** Tables of the access-session domain in site.db; versions 30-39. Rows carry names, so that they outlive what they name. */
export const accessSessionMigrations: Migration[] = [
  {
    version: 30,
    name: 'access-session',
    up: `
      CREATE TABLE access_sessions (
        id TEXT PRIMARY KEY NOT NULL,
        state TEXT NOT NULL,
        user_id TEXT NOT NULL,
        user_name TEXT NOT NULL,
        jump_item_id TEXT NOT NULL,
        jump_item_name TEXT NOT NULL,
        host_name TEXT NOT NULL,
        runs_as TEXT NOT NULL,
        from_address TEXT NOT NULL,
        started_at_ms INTEGER NOT NULL,
        cols INTEGER NOT NULL,
        rows INTEGER NOT NULL,
        records_input INTEGER NOT NULL,
        recording_file TEXT NOT NULL,
        end_requested TEXT,
        detached_since_ms INTEGER,
        away_since_ms INTEGER,
        ended_at_ms INTEGER,
        end_reason TEXT,
        exit_code INTEGER,
        out_bytes INTEGER NOT NULL,
        in_bytes INTEGER NOT NULL,
        recording_bytes INTEGER,
        head_sha256 TEXT
      ) STRICT;
      CREATE INDEX access_sessions_by_state ON access_sessions (state);
      CREATE INDEX access_sessions_by_user ON access_sessions (user_id, id);
    `,
  },
];
