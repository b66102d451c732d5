/**
 * Site interface: the vault key (B193-B195), below `/api/vault-key`; administrators. It wraps every secret that site.db keeps (second factors, passwords of servers, keys of
 * installers), and is never in a backup.
 */
import { z } from 'zod';
import { instantMs } from '../text.ts';

/** Of the file that is downloaded: no shorter password is taken. */
export const VAULT_PASSWORD_MIN_CHARACTERS = 12;
export const VAULT_PASSWORD_MAX_CHARACTERS = 1024;
/** An uploaded vault key file. */
export const VAULT_FILE_MAX_BYTES = 64 * 1024;
/** Secrets that one answer names. */
export const VAULT_SECRETS_PAGE_MAX = 200;

/** A key by the first 8 bytes of a hash of it; says nothing about the key. */
export const vaultKeyId = z.string().regex(/^[0-9a-f]{16}$/);

/** One secret in plain words: the page translates `kind`; `words` is the English sentence for kinds that it does not know. */
export const vaultSecret = z.object({
  /** `second-factor`, `mail-password`, `installer-key`, ...: whoever adds a wrapped column adds a kind. */
  kind: z.string().max(60),
  /** Whose or of what: 'ada', 'smtp.example.org'; empty when there is only one of its kind. */
  name: z.string().max(300),
  words: z.string().max(400),
  isReadable: z.boolean(),
  /** Which key it needs; null when it was wrapped before keys had names. */
  keyId: vaultKeyId.nullable(),
});
export type VaultSecret = z.infer<typeof vaultSecret>;

export const VAULT_ROTATION_STATES = ['waiting-for-backup', 're-wrapping', 'dropping'] as const;
/** A rotation that is under way; it goes on by itself, after a restart too. */
export const vaultRotation = z.object({
  /** `waiting-for-backup`: the new key is made, and used from the moment on at which the backup has it; may be cancelled. `re-wrapping`. `dropping`: the former key goes as soon as the backup needs it no more. */
  state: z.enum(VAULT_ROTATION_STATES),
  startedAtMs: instantMs,
  by: z.string(),
  /** Secrets wrapped by the new key, of all that can be read. */
  done: z.number().int().nonnegative(),
  total: z.number().int().nonnegative(),
  /** Why it stands still now; null while it goes on. Codes: VAULT_WAITS_FOR_BACKUP (away, or on its way), VAULT_BACKUP_TOO_OLD (its software), VAULT_ROTATION_FAILED. */
  waitsFor: z.object({ code: z.string(), message: z.string() }).nullable(),
  mayCancel: z.boolean(),
});
export type VaultRotation = z.infer<typeof vaultRotation>;

/** GET vault-key */
export const vaultKeyState = z.object({
  /** New secrets are wrapped by it. */
  keyId: vaultKeyId,
  /** Since when; null for the key of the first start. */
  since: instantMs.nullable(),
  /** Still held, since something may be wrapped by them. */
  formerKeyIds: z.array(vaultKeyId),
  /** The last download; null: never. `isOutdated`: the key has changed since, so that the file does not open secrets of today. */
  download: z.object({ atMs: instantMs, by: z.string(), keyId: vaultKeyId, isOutdated: z.boolean() }).nullable(),
  /** How many secrets there are of each kind: exactly what would be lost without the key. */
  protects: z.array(z.object({ kind: z.string(), count: z.number().int(), unreadable: z.number().int() })),
  readable: z.number().int().nonnegative(),
  /** More than 0: the key that wrapped them is missing here; an alarm on the page. */
  unreadable: z.number().int().nonnegative(),
  rotation: vaultRotation.nullable(),
  lastRotation: z.object({ atMs: instantMs, by: z.string(), secrets: z.number().int() }).nullable(),
  /** Whether a rotation may begin now, and why not: VAULT_ROTATION_RUNNING, VAULT_ROTATION_NOT_NOW (a new version is being watched). */
  mayRotate: z.object({ ok: z.boolean(), code: z.string().nullable(), message: z.string().nullable() }),
});
export type VaultKeyState = z.infer<typeof vaultKeyState>;

/** GET vault-key/secrets?show=all|unreadable&after=CURSOR */
export const vaultSecretsQuery = z.object({
  show: z.enum(['all', 'unreadable']).default('all'),
  after: z.string().max(400).optional(),
});
export const vaultSecrets = z.object({
  secrets: z.array(vaultSecret).max(VAULT_SECRETS_PAGE_MAX),
  /** For the next page; null: that was the last. */
  next: z.string().nullable(),
});
export type VaultSecrets = z.infer<typeof vaultSecrets>;

/** POST vault-key/download → the file (application/octet-stream, `<appliance>-<date>.bascule-vault-key.age`); stock `age -d` opens it. VAULT_PASSWORD_TOO_SHORT is a 400 of the schema. */
export const downloadVaultKey = z.object({
  password: z.string().min(VAULT_PASSWORD_MIN_CHARACTERS).max(VAULT_PASSWORD_MAX_CHARACTERS),
});

/** POST vault-key/restore/look, and with the same body POST vault-key/restore. `file`: the bytes in base64. */
export const restoreVaultKey = z.object({
  file: z.base64().max(Math.ceil(VAULT_FILE_MAX_BYTES / 3) * 4),
  password: z.string().min(1).max(VAULT_PASSWORD_MAX_CHARACTERS),
});
export type RestoreVaultKey = z.infer<typeof restoreVaultKey>;
/**
 * What the file would do; nothing is changed by looking. Errors of both, each of which changes nothing: VAULT_FILE_PASSWORD_WRONG, VAULT_FILE_DAMAGED (altered or cut),
 * VAULT_FILE_OTHER (no vault key file, or of another product), VAULT_FILE_NEWER (of a newer version), VAULT_KEYS_TOO_MANY.
 */
export const vaultRestoreLook = z.object({
  appliance: z.string(),
  madeAtMs: instantMs,
  keyIds: z.array(vaultKeyId),
  /** Of those, the ones that are not here yet; none: restoring changes nothing. */
  newKeyIds: z.array(vaultKeyId),
  /** Secrets that become readable, and the first of them by name. */
  becomesReadable: z.number().int().nonnegative(),
  secrets: z.array(vaultSecret).max(VAULT_SECRETS_PAGE_MAX),
  /** Secrets that stay unreadable even so. */
  staysUnreadable: z.number().int().nonnegative(),
});
export type VaultRestoreLook = z.infer<typeof vaultRestoreLook>;
/** Answer of POST vault-key/restore. */
export const vaultRestored = z.object({ becameReadable: z.number().int().nonnegative(), state: vaultKeyState });

/** POST vault-key/rotation (no body) → vaultKeyState. DELETE vault-key/rotation → vaultKeyState: cancels one that waits for the backup (VAULT_ROTATION_NOT_CANCELLABLE). */

/** The vault key file, inside of age (scrypt); docs/operator/vault-key.md. */
export const vaultKeyFile = z.object({
  format: z.literal('bascule-vault-key/1'),
  appliance: z.string().max(253),
  madeAtMs: instantMs,
  /** The id of the key that wrapped new secrets then. */
  current: vaultKeyId,
  keys: z
    .array(z.object({ id: vaultKeyId, key: z.base64().length(44) }))
    .min(1)
    .max(64),
});
export type VaultKeyFile = z.infer<typeof vaultKeyFile>;
