import type { Migration } from '@bascule/store/store.ts';

/** What retention removed, in site.db; version 138. `removed_recordings` outlives the reports: the other side of a pair removes its copies by it. */
export const retentionMigrations: Migration[] = [
  {
    version: 138,
    name: 'retention',
    up: `
      ALTER TABLE access_sessions ADD COLUMN recording_removed_at_ms INTEGER;
      CREATE INDEX access_sessions_by_recording ON access_sessions (recording_removed_at_ms, ended_at_ms, recording_bytes);
      CREATE INDEX access_sessions_by_end ON access_sessions (ended_at_ms);
      CREATE TABLE removed_recordings (
        file TEXT PRIMARY KEY NOT NULL,
        at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX removed_recordings_by_time ON removed_recordings (at_ms);
    `,
  },
];
