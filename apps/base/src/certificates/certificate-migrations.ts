import type { Migration } from '@bascule/store/store.ts';

/** Certificates of the box, in box.db; versions 115 and 116. */
export const certificateMigrations: Migration[] = [
  {
    version: 115,
    name: 'certificates',
    // chain: PEM, the own one first; null while it is awaited. private_key: PKCS#8, wrapped; null: missing.
    up: `
      CREATE TABLE certificates (
        id TEXT PRIMARY KEY NOT NULL,
        source TEXT NOT NULL,
        chain TEXT,
        private_key BLOB,
        key_sha256 TEXT NOT NULL,
        request TEXT,
        added_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX certificates_key ON certificates (key_sha256);
      CREATE TABLE certificate_settings (
        name TEXT PRIMARY KEY NOT NULL,
        value TEXT NOT NULL
      ) STRICT;
      CREATE TABLE certificate_exports (
        sha256 TEXT PRIMARY KEY NOT NULL,
        at_ms INTEGER NOT NULL,
        key_at_ms INTEGER
      ) STRICT;
      CREATE TABLE certificate_notices (
        sha256 TEXT PRIMARY KEY NOT NULL,
        days INTEGER NOT NULL
      ) STRICT;
    `,
  },
  {
    version: 116,
    name: 'acme',
    up: `
      CREATE TABLE acme_account (
        directory_url TEXT PRIMARY KEY NOT NULL,
        account_url TEXT,
        private_key BLOB NOT NULL
      ) STRICT;
      CREATE TABLE acme_secret (
        one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
        wrapped BLOB NOT NULL
      ) STRICT;
    `,
  },
];
