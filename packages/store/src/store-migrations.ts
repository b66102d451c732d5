/** One step of a schema. `version` is unique across a database; once released, `up` never changes (its hash is kept). Only adds. */
export interface Migration {
  version: number;
  name: string;
  up: string;
}

/** Tables of the store itself that describe this copy of the database; no change log entry carries them. */
export const LOCAL_TABLES = ['change_log', 'writer', 'schema_migration', 'audit_head'];

export const storeMigrations: Migration[] = [
  {
    version: 1,
    name: 'audit chain and change log',
    up: `
      CREATE TABLE audit_event (
        appliance TEXT NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, at_ms INTEGER NOT NULL, code TEXT NOT NULL, summary TEXT NOT NULL,
        actor_kind TEXT NOT NULL, actor_id TEXT, actor_name TEXT NOT NULL, address TEXT NOT NULL, details TEXT NOT NULL,
        previous_hash TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (appliance, epoch, sequence)
      ) STRICT;
      CREATE INDEX audit_event_by_sequence ON audit_event (sequence);
      CREATE TABLE audit_head (
        appliance TEXT NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, hash TEXT NOT NULL, at_ms INTEGER NOT NULL, signature BLOB NOT NULL,
        PRIMARY KEY (appliance, epoch, sequence)
      ) STRICT;
      CREATE TABLE change_log (
        sequence INTEGER NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL, schema INTEGER NOT NULL, at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('change', 'migration')), previous_hash TEXT NOT NULL, hash TEXT NOT NULL, payload BLOB NOT NULL
      ) STRICT;
      CREATE TABLE writer (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL, epoch INTEGER NOT NULL) STRICT;
      INSERT INTO writer (id, generation, epoch) VALUES (1, 0, 1);`,
  },
];
