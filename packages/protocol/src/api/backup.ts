/** Site interface: backups, their schedule and their destinations (Management > Software; B40, B184-B191), below `/api`. API tokens with the scopes `backup:*` may make, list, fetch and delete. */
import { z } from 'zod';
import { byteCount, id, instantMs, line, optionalLine, sha256Hex } from '../text.ts';

/** A password of a backup has at least so many characters, or there is none: it protects the identity of the site against guessing without end. */
export const BACKUP_PASSWORD_MIN_LENGTH = 12;
/** The longest that is taken; scrypt makes nothing of more. */
export const BACKUP_PASSWORD_MAX_LENGTH = 256;
/** So many destinations beside this appliance. */
export const BACKUP_DESTINATIONS_MAX = 10;
/** The longest that a destination is in words: its name, account, host, folder and host key. */
export const BACKUP_PLACE_MAX_LENGTH = 1200;
/** The built-in destination: `<data directory>/backups` of the appliance that makes the backup. */
export const HERE = 'here';

export const backupPassword = z.string().min(BACKUP_PASSWORD_MIN_LENGTH).max(BACKUP_PASSWORD_MAX_LENGTH);

/** What a backup may hold beside the configuration, which it always does (B185-B187). */
export const backupInclude = z.object({
  /** Ended sessions and the audit (B185). */
  history: z.boolean(),
  /** The file store. */
  files: z.boolean(),
  /** Recordings of sessions; without `history` nothing would name them, so that is refused. */
  recordings: z.boolean(),
  /** Network, certificates, mail and so on of the box: what /appliance holds. */
  boxSettings: z.boolean(),
});
export type BackupInclude = z.infer<typeof backupInclude>;

/** The parts of a backup, in the order in which they lie in the file. */
export const BACKUP_PARTS = ['state', 'identity', 'box-settings', 'files', 'recordings'] as const;
export const backupPart = z.enum(BACKUP_PARTS);
export type BackupPart = z.infer<typeof backupPart>;

/** Why a part (or a thing in it) is not in a backup. `vault-key` and `site-secrets` name what is never in one. */
export const backupLeftOut = z.object({
  what: z.enum(['history', 'files', 'recordings', 'box-settings', 'box-secrets', 'identity', 'vault-key']),
  /** `not-chosen`: a checkbox; `no-password`: only with a password; `never`: apart, by itself (B188, B195); `not-available`: it could not be had, `detail` says why. */
  why: z.enum(['not-chosen', 'no-password', 'never', 'not-available']),
  detail: z.string().max(500).optional(),
});
export type BackupLeftOut = z.infer<typeof backupLeftOut>;

export const BACKUP_STATES = ['making', 'checking', 'restorable', 'failed'] as const;
export const backupState = z.enum(BACKUP_STATES);
export type BackupState = z.infer<typeof backupState>;

/** One backup, on this appliance or elsewhere. */
export const backupRecord = z.object({
  id: id('backup'),
  state: backupState,
  /** Why it failed, or is not restorable: an error code and a sentence. */
  problem: z.object({ code: z.string(), message: z.string() }).nullable(),
  madeAtMs: instantMs,
  /** A person, `schedule` or `upgrade`. */
  madeBy: z.string(),
  reason: z.enum(['person', 'schedule', 'upgrade']),
  /** The appliance that made it, by name. */
  appliance: z.string(),
  siteVersion: z.string(),
  /** `here` or the destination's id, and its name at that time. */
  destination: z.string(),
  destinationName: z.string(),
  fileName: z.string(),
  /** null until it is written. */
  bytes: byteCount.nullable(),
  sha256: sha256Hex.nullable(),
  /** With a password. */
  isEncrypted: z.boolean(),
  include: backupInclude,
  parts: z.array(z.object({ part: backupPart, members: z.number().int(), bytes: byteCount })),
  leftOut: z.array(backupLeftOut),
  /** When it was last restored on trial, with success or not; null: not yet. */
  checkedAtMs: instantMs.nullable(),
  /** What the trial measured: from reading it back until the site worked on it. */
  checkMs: z.number().nullable(),
  /** It can be downloaded here: it lies on this appliance. */
  isHere: z.boolean(),
});
export type BackupRecord = z.infer<typeof backupRecord>;

/** What is under way now; pages ask again each second, or when the event `backup` comes. */
export const backupProgress = z.object({
  id: id('backup'),
  /** `waiting` while another backup or check is under way. */
  phase: z.enum(['waiting', 'copying-state', 'writing', 'sending', 'reading-back', 'restoring-on-trial']),
  /** In bytes of this phase; `total` null when it is not known. */
  done: byteCount,
  total: byteCount.nullable(),
  startedAtMs: instantMs,
});
export type BackupProgress = z.infer<typeof backupProgress>;

/** GET backups */
export const backups = z.object({
  /** Newest first. */
  backups: z.array(backupRecord),
  running: backupProgress.nullable(),
  /** The last one that is known to be restorable, and the changes since (B40, B189); null: there is none. */
  last: z.object({ id: id('backup'), atMs: instantMs, changesSince: z.number().int().nonnegative() }).nullable(),
  /** A schedule is on, and its last backup failed or is late. */
  schedule: z.object({
    isOn: z.boolean(),
    nextAtMs: instantMs.nullable(),
    /** In words, when something is wrong. */
    problem: z.object({ code: z.string(), message: z.string() }).nullable(),
  }),
});

/** GET backup/sizes: what each checkbox would add, uncompressed; `configuration` is always in it. */
export const backupSizes = z.object({
  configuration: byteCount,
  history: byteCount,
  files: z.object({ bytes: byteCount, count: z.number().int() }),
  recordings: z.object({ bytes: byteCount, count: z.number().int() }),
  /** null: base did not answer. */
  boxSettings: byteCount.nullable(),
  /** Free on the disk of this appliance, and what stays reserved of it. */
  freeBytes: byteCount,
  reservedBytes: byteCount,
});

/** POST backups: begins one; the answer comes at once, the backup takes its time. */
export const makeBackupBody = z.object({
  /** Absent: without a password, and then without the identity of the site and the private keys of its certificates. */
  password: backupPassword.optional(),
  include: backupInclude,
  /** `here`, or the id of a destination. */
  destination: z.union([z.literal(HERE), id('backupDestination')]).default(HERE),
});
export const backupBegun = z.object({ id: id('backup') });

/** POST backups/:id/check: restores it on trial once more. `password` for one that was made with a password. */
export const checkBackupBody = z.object({ password: z.string().min(1).max(BACKUP_PASSWORD_MAX_LENGTH).optional() });

/** GET backup/changes?before=: configuration changes since the last restorable backup, newest first (B189): no logins, no sessions. */
export const backupChangesQuery = z.object({ before: z.coerce.number().int().positive().optional() });
export const backupChanges = z.object({
  sinceMs: instantMs.nullable(),
  count: z.number().int().nonnegative(),
  changes: z.array(z.object({ row: z.number().int(), atMs: instantMs, actor: z.string(), text: z.string() })).max(100),
  /** Give this as `before` for older ones; null: that was all. */
  before: z.number().int().nullable(),
});

/** `at`: minutes after midnight, UTC. `weekday`: 0 is Sunday. */
export const backupTimes = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('daily'),
    atMinute: z
      .number()
      .int()
      .min(0)
      .max(24 * 60 - 1),
  }),
  z.object({
    kind: z.literal('weekly'),
    weekday: z.number().int().min(0).max(6),
    atMinute: z
      .number()
      .int()
      .min(0)
      .max(24 * 60 - 1),
  }),
  z.object({ kind: z.literal('hours'), everyHours: z.number().int().min(1).max(168) }),
]);
export type BackupTimes = z.infer<typeof backupTimes>;

/** What is kept of a schedule's backups; the last restorable one always is. null: no limit of that kind. */
export const backupRetention = z.object({
  count: z.number().int().min(1).max(1000).nullable(),
  days: z.number().int().min(1).max(3650).nullable(),
});

/** GET backup/schedule */
export const backupSchedule = z.object({
  isOn: z.boolean(),
  times: backupTimes,
  include: backupInclude,
  destination: z.union([z.literal(HERE), id('backupDestination')]),
  hasPassword: z.boolean(),
  retention: backupRetention,
});
/** PUT backup/schedule. `password`: absent leaves it as it is, null removes it. */
export const changeBackupScheduleBody = backupSchedule
  .omit({ hasPassword: true })
  .extend({ password: backupPassword.nullable().optional() });

/** SFTP host keys are shown as OpenSSH does: `SHA256:` and 43 characters. */
export const hostKeyFingerprint = z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/);
const sftpPlace = {
  host: line(255),
  port: z.number().int().min(1).max(65535),
  account: line(100),
  /** A folder on the server; relative to where the account lands. */
  path: line(500),
  /** Only a server with this key is spoken to: POST backup/host-key shows it, a person compares and confirms it. */
  hostKey: hostKeyFingerprint,
};

export const backupDestination = z.object({
  id: id('backupDestination'),
  name: z.string(),
  place: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('folder'), path: z.string() }),
    z.object({ kind: z.literal('sftp'), ...sftpPlace, has: z.enum(['password', 'private-key']) }),
  ]),
});
export type BackupDestination = z.infer<typeof backupDestination>;
/** GET backup/destinations: those that were added; `here` is always there. */
export const backupDestinations = z.object({ here: z.string(), destinations: z.array(backupDestination) });

/** POST backup/destinations, PUT backup/destinations/:id. It is tried before it is stored: a file is written, read back and removed. */
export const backupDestinationBody = z.object({
  name: line(64),
  place: z.discriminatedUnion('kind', [
    /** Absolute, on the appliance (a mounted disk or NFS), outside its data directory. */
    z.object({ kind: z.literal('folder'), path: line(500) }),
    z.object({
      kind: z.literal('sftp'),
      ...sftpPlace,
      /** Absent in a PUT: as it is; refused when host, port or account change. */
      secret: z
        .discriminatedUnion('kind', [
          z.object({ kind: z.literal('password'), password: z.string().min(1).max(256) }),
          z.object({
            kind: z.literal('private-key'),
            privateKey: z.string().min(1).max(20_000),
            passphrase: optionalLine(256).optional(),
          }),
        ])
        .optional(),
    }),
  ]),
});
export type BackupDestinationBody = z.infer<typeof backupDestinationBody>;

/** POST backup/host-key: which key a server shows, before anything is sent to it. */
export const hostKeyBody = z.object({ host: line(255), port: z.number().int().min(1).max(65535) });
export const hostKeyAnswer = z.object({ hostKey: hostKeyFingerprint, kind: z.string() });

/** POST backup/destinations/:id/test */
export const destinationTested = z.object({ ok: z.literal(true), ms: z.number() });
