import type { Migration } from '@bascule/store/store.ts';

/** Tables of accounts, in box.db and in site.db alike; versions 10-19. */
export const accountMigrations: Migration[] = [
  {
    version: 10,
    name: 'accounts',
    up: `
      CREATE TABLE accounts (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL UNIQUE,
        display_name TEXT NOT NULL,
        role TEXT NOT NULL,
        language TEXT NOT NULL,
        disabled INTEGER NOT NULL,
        password_hash TEXT NOT NULL,
        must_change_password INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        locked_until_ms INTEGER,
        totp_secret BLOB,
        totp_last_step INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL,
        last_login_at_ms INTEGER
      ) STRICT;
      CREATE TABLE login_sessions (
        id TEXT PRIMARY KEY NOT NULL,
        account_id TEXT NOT NULL,
        token_sha256 TEXT NOT NULL UNIQUE,
        second_factor_done INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL,
        last_seen_at_ms INTEGER NOT NULL,
        address TEXT NOT NULL,
        user_agent TEXT NOT NULL
      ) STRICT;
      CREATE INDEX login_sessions_by_account ON login_sessions (account_id);
      CREATE TABLE passkeys (
        id TEXT PRIMARY KEY NOT NULL,
        account_id TEXT NOT NULL,
        credential_id TEXT NOT NULL UNIQUE,
        public_key BLOB NOT NULL,
        counter INTEGER NOT NULL,
        transports TEXT NOT NULL,
        name TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        last_used_at_ms INTEGER
      ) STRICT;
      CREATE INDEX passkeys_by_account ON passkeys (account_id);
    `,
  },
  {
    version: 11,
    name: 'language chosen',
    // Every account was made with 'en'; only another language shows that somebody chose it.
    up: `
      ALTER TABLE accounts ADD COLUMN language_chosen INTEGER NOT NULL DEFAULT 0;
      UPDATE accounts SET language_chosen = 1 WHERE language <> 'en';
    `,
  },
  {
    version: 12,
    name: 'api tokens',
    // Tokens of a disabled account are deleted with that change; there is no way to delete an account.
    up: `
      CREATE TABLE api_tokens (
        id TEXT PRIMARY KEY NOT NULL,
        account_id TEXT NOT NULL,
        name TEXT NOT NULL,
        scopes TEXT NOT NULL,
        lookup TEXT NOT NULL UNIQUE,
        secret_sha256 TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        expires_at_ms INTEGER NOT NULL,
        last_used_at_ms INTEGER
      ) STRICT;
      CREATE INDEX api_tokens_by_account ON api_tokens (account_id);
    `,
  },
  {
    version: 13,
    name: 'password rules',
    // NULL: not known, from before; the age counts from the account's own then.
    up: `
      ALTER TABLE accounts ADD COLUMN password_changed_at_ms INTEGER;
      CREATE TABLE former_passwords (
        id TEXT PRIMARY KEY NOT NULL,
        account_id TEXT NOT NULL,
        password_hash TEXT NOT NULL
      ) STRICT;
      CREATE INDEX former_passwords_by_account ON former_passwords (account_id);
    `,
  },
];
