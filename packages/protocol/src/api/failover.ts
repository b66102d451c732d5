/** Site interface, below `/api/failover`: the pair, its roles, and what it would lose (B33-B35, B121-B161). Also served by a backup, which has little else. */
import { z } from 'zod';
import { byteCount, id, instantMs, line, optionalLine, sha256Hex } from '../text.ts';

/**
 * `single`: no relationship. `primary`: writes. `backup`: follows, and writes nothing. `read-only`: the other side of a broken relationship, until a person
 * splits the site, becomes primary, or establishes again.
 */
export const PAIR_ROLES = ['single', 'primary', 'backup', 'read-only'] as const;
export const pairRole = z.enum(PAIR_ROLES);
export type PairRole = z.infer<typeof pairRole>;

/** `async`: an answer waits up to a second for the peer where `waitsForPeer` says so. `sync`: every answer and effect waits for the peer. */
export const pairMode = z.enum(['async', 'sync']);
export type PairMode = z.infer<typeof pairMode>;

export const PRE_SHARED_KEY_MIN = 20;
/** Management > Security: the inter-appliance communication pre-shared key (B32). Never given out again: only whether there is one, and its check value. */
export const preSharedKeyState = z.object({
  isSet: z.boolean(),
  /** The first characters of a slow hash of it, so that two people can compare what they typed. */
  checkValue: z.string().nullable(),
  changedAtMs: instantMs.nullable(),
});
export type PreSharedKeyState = z.infer<typeof preSharedKeyState>;
export const preSharedKeyChange = z.strictObject({ key: line(200).min(PRE_SHARED_KEY_MIN) });

export const endpoint = z.object({ host: line(255), port: z.number().int().min(1).max(65_535) });
export type Endpoint = z.infer<typeof endpoint>;

/** POST `/api/security/pre-shared-key/generate`: a new random key, shown once. Nothing is set by it: the person saves it, here and on the other appliance. */
export const generatedPreSharedKey = z.object({ key: z.string() });

/** What would be handed over and checked; nothing is changed by asking. */
export const establishRequest = z.strictObject({
  /** New backup site connection details (B145): how this appliance reaches the other. */
  backup: endpoint,
  /** Reverse connection details to this primary site (B146). */
  primary: endpoint,
  /** Hands over the web certificate of the shared name too. */
  withCertificate: z.boolean(),
  mode: pairMode,
});
export type EstablishRequest = z.infer<typeof establishRequest>;

/** One check of establishing; the page translates `failover.check.<code>.<outcome>` with `params`. */
export const pairCheck = z.object({
  code: z.string().regex(/^[a-z-]+$/),
  outcome: z.enum(['green', 'amber', 'red']),
  /** English, for log, mail and the command line. */
  text: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
  /** False of a red one that warns and does not refuse (the shared name's certificate). */
  blocks: z.boolean().optional(),
});
export type PairCheck = z.infer<typeof pairCheck>;

export const establishPreview = z.object({
  checks: z.array(pairCheck).max(40),
  peer: z.object({ name: z.string(), version: z.string(), keySha256: sha256Hex }).nullable(),
  /** What the first copy moves, and about how long it takes (B153); null when that is not known. */
  firstCopy: z.object({
    databaseBytes: byteCount,
    recordingBytes: byteCount,
    fileBytes: byteCount,
    seconds: z.number().nullable(),
  }),
  /** What the backup has now and would archive. */
  replaced: z
    .object({ users: z.number().int(), jumpItems: z.number().int(), sessions: z.number().int(), recordingBytes: byteCount })
    .nullable(),
});
export type EstablishPreview = z.infer<typeof establishPreview>;

/** What would be lost if the primary were gone this moment; as far as this side knows. */
export const exposure = z.object({
  changes: z.number().int().nonnegative(),
  seconds: z.number().nonnegative(),
  sessions: z.number().int().nonnegative(),
  /** Of recordings, that no client still holds in its buffer. */
  recordingBytes: byteCount,
  fileBytes: byteCount,
  /** As of when: an unreachable peer may have gone on since. */
  asOfMs: instantMs,
});
export type Exposure = z.infer<typeof exposure>;

export const COPY_STATES = ['idle', 'snapshot', 'catching-up', 'following', 'stopped'] as const;
/** How far the copy on the backup is. */
export const copyState = z.object({
  state: z.enum(COPY_STATES),
  /** Entries of the change log: the primary's newest, and the newest that is durable on the backup. */
  newestChange: z.number().int().nonnegative(),
  copiedChange: z.number().int().nonnegative(),
  lagChanges: z.number().int().nonnegative(),
  lagSeconds: z.number().nonnegative(),
  /** Still to copy. */
  databaseBytesLeft: byteCount,
  recordingBytesLeft: byteCount,
  fileBytesLeft: byteCount,
  /** As of when that is what is still to copy, while the other side cannot be reached: what is written since is not in it; null: nothing was heard since the start. Absent: now. */
  leftAsOfMs: instantMs.nullable().optional(),
  bytesPerSecond: z.number().nonnegative(),
  secondsLeft: z.number().nullable(),
  /** B154: when everything that was there had been copied. */
  lastCompletedAtMs: instantMs.nullable(),
  /** Content hashes of all tables were last found equal. */
  lastComparedAtMs: instantMs.nullable(),
  /** Why it is stopped: a code `failover.stopped.<code>`, and a sentence in English. */
  stopped: z.object({ code: z.string(), text: z.string() }).nullable(),
});
export type CopyState = z.infer<typeof copyState>;

export const sideState = z.object({
  appliance: z.string(),
  /** Of the appliance's pair key. */
  keySha256: sha256Hex,
  role: pairRole,
  history: z.string(),
  epoch: z.number().int().nonnegative(),
  version: z.string(),
  schema: z.number().int().nonnegative(),
  endpoint: endpoint.nullable(),
  clientsOnline: z.number().int().nonnegative(),
  sessions: z.number().int().nonnegative(),
  freeBytes: byteCount.nullable(),
  /** Its clock less ours; 0 for ourselves. */
  clockOffsetMs: z.number().nullable(),
});
export type SideState = z.infer<typeof sideState>;

/** What the history of roles keeps, newest first. */
export const roleChange = z.object({
  atMs: instantMs,
  appliance: z.string(),
  role: pairRole,
  epoch: z.number().int().nonnegative(),
  /** Who: a person's name, `witness`, or `system`. */
  by: z.string(),
  /** Permanent: `established`, `swapped`, `took-over`, `forced`, `broken`, `split`, `fixed`, `restored`. */
  reason: z.string(),
  /** What was lost by it, when something was. */
  lost: z.object({ changes: z.number().int(), seconds: z.number() }).nullable(),
});
export type RoleChange = z.infer<typeof roleChange>;

export const ALARM_CODES = [
  'lag',
  'sync-stopped',
  'peer-unreachable',
  'backup-disk',
  'witness-unreachable',
  'rehearsal-failed',
  'diverged',
  'clock',
] as const;
export const pairAlarm = z.object({
  code: z.enum(ALARM_CODES),
  sinceMs: instantMs,
  params: z.record(z.string(), z.union([z.string(), z.number()])),
});
export type PairAlarm = z.infer<typeof pairAlarm>;

/** Two sides that both say `primary`, or both `backup`, or have gone apart: what differs, before anything is discarded. */
export const conflict = z.object({
  kind: z.enum(['both-primary', 'both-backup', 'diverged']),
  sinceMs: instantMs,
  /** What each side has that the other lacks, since they parted. */
  sides: z.array(
    z.object({
      appliance: z.string(),
      /** Of its pair key: tells two sides of one name apart. */
      keySha256: sha256Hex.optional(),
      epoch: z.number().int(),
      changes: z.number().int(),
      sinceMs: instantMs.nullable(),
      /** Summaries of the newest audit events of that side alone, newest first. */
      events: z.array(z.object({ atMs: instantMs, actor: z.string(), summary: z.string() })).max(50),
      sessions: z.number().int(),
      recordingBytes: byteCount,
    }),
  ),
  /** Whom Fix would keep as primary if the person says nothing else. */
  recommended: z.string().nullable(),
});
export type PairConflict = z.infer<typeof conflict>;

export const archived = z.object({
  id: z.string(),
  atMs: instantMs,
  reason: z.string(),
  bytes: byteCount,
  changes: z.number().int(),
});
export type Archived = z.infer<typeof archived>;

export const pairSettings = z.object({
  mode: pairMode,
  /** Of first copy, recordings and files; 0: no limit. */
  bytesPerSecond: z.number().int().min(0).max(10_000_000_000),
  /** Alarms by lag. */
  alarmLagSeconds: z.number().int().min(5).max(86_400),
  /** Whether a backup answers what only reads ('Enable backup operations', B35). */
  backupOperations: z.boolean(),
  automatic: z.boolean(),
});
export type PairSettings = z.infer<typeof pairSettings>;
export const pairSettingsChange = pairSettings
  .partial()
  .extend({
    /** With `automatic: false`, when neither witness nor peer answers: at once, by the word of a person who knows that the peer does not serve. */
    regardless: z.boolean().optional(),
  })
  .strict();

export const witnessState = z.object({
  endpoint: endpoint,
  state: z.enum(['connected', 'unreachable', 'refused']),
  lastAnswerAtMs: instantMs.nullable(),
  /** Left of the lease, as the holder counts it. */
  leaseLeftMs: z.number().nullable(),
  holder: z.string().nullable(),
  /** Whom the witness has on record as in sync with the holder. */
  peerInSync: z.boolean(),
});
export type WitnessState = z.infer<typeof witnessState>;
/** `bw1.<sha-256 of the witness's key, hex>.<secret, base64url>`, printed by `bascule-witness`. */
export const witnessCode = z.string().regex(/^bw1\.[0-9a-f]{64}\.[A-Za-z0-9_-]{43}$/);
export const witnessRequest = z.strictObject({ endpoint, code: witnessCode });

export const rehearsalState = z.object({
  state: z.enum(['none', 'preparing', 'open', 'closed', 'failed']),
  startedAtMs: instantMs.nullable(),
  endsAtMs: instantMs.nullable(),
  users: z.array(z.string()).max(20),
  clients: z.array(z.string()).max(20),
  /** What was tried, in order. */
  steps: z.array(z.object({ code: z.string(), outcome: z.enum(['running', 'passed', 'failed']), text: z.string() })).max(20),
  /** Whether it can be begun by POST `/failover/rehearsal`; absent: the standby is tested within upgrade plans alone. */
  canBegin: z.boolean().optional(),
});
export type RehearsalState = z.infer<typeof rehearsalState>;
export const rehearsalRequest = z.strictObject({
  users: z.array(id('user')).min(1).max(20),
  clients: z.array(id('jumpClient')).min(1).max(20),
});
export type RehearsalRequest = z.infer<typeof rehearsalRequest>;

/** GET `/api/failover/rehearsal/choices`: who may be chosen for a rehearsal, on either side. */
export const rehearsalChoices = z.object({
  users: z.array(z.object({ id: z.string(), name: z.string() })).max(1000),
  clients: z.array(z.object({ id: z.string(), name: z.string(), online: z.boolean() })).max(1000),
});
export type RehearsalChoices = z.infer<typeof rehearsalChoices>;

/** The code of the error that a backup, or the read-only side of a broken relationship, answers to a change; `params.primaryUrl` says where it can be made. */
export const FAILOVER_READ_ONLY = 'FAILOVER_READ_ONLY';

/** GET `/api/failover`. */
export const failoverState = z.object({
  self: sideState,
  /** Null: no relationship. As it was last heard of. */
  peer: sideState.nullable(),
  peerState: z.enum(['none', 'reachable', 'unreachable']),
  lastContactAtMs: instantMs.nullable(),
  /** Whether a relationship was broken and can be established again, and with whom. */
  broken: z.object({ peer: z.string(), endpoint, atMs: instantMs, by: z.string() }).nullable(),
  settings: pairSettings,
  copy: copyState.nullable(),
  /** While an upgrade plan keeps the two apart: what the side that serves has and the other has not pulled. Absent: they are not apart, or the other has not been heard of. */
  apart: z.object({ lagChanges: z.number().int().nonnegative(), lagSeconds: z.number().nonnegative() }).optional(),
  exposure: exposure.nullable(),
  alarms: z.array(pairAlarm).max(20),
  conflict: conflict.nullable(),
  witness: witnessState.nullable(),
  rehearsal: rehearsalState,
  roles: z.array(roleChange).max(100),
  archives: z.array(archived).max(100),
  /** The name that people and clients use, which is never a side's own address (B150). */
  sharedName: z.string(),
  /** Work that is under way: establishing, a swap, a sync. */
  busy: z
    .object({ what: z.string(), step: z.string(), done: z.number(), total: z.number().nullable(), startedAtMs: instantMs })
    .nullable(),
  preSharedKey: preSharedKeyState,
  /** How the last change of the relationship failed, until one succeeds: changes of roles begin, and are answered before they end. `what` as in `busy`. */
  failed: z.object({ what: z.string(), code: z.string(), text: z.string(), atMs: instantMs }).nullable().optional(),
  /** This appliance's clock: ages are counted from it, not from the browser's. */
  nowMs: instantMs.optional(),
  /** Why this side is `read-only`; absent or null: it is not, or that is not known. */
  readOnly: z.enum(['broken', 'restored', 'superseded']).nullable().optional(),
  /** Access sessions that go on now, by name, as far as this side knows: whom a change of roles would touch. Absent: only their number is known. */
  liveSessions: z
    .array(z.object({ user: z.string(), item: z.string() }))
    .max(100)
    .optional(),
  /** While the peer cannot be reached from here: who else still hears it (or has lost it, too). */
  peerSeenBy: z
    .object({
      /** The witness last heard the peer; null: never, or there is no witness. */
      witnessAtMs: instantMs.nullable(),
      /** Clients that came here lately because they had lost the peer, and when the newest came. */
      clientsHere: z.number().int().nonnegative(),
      clientsHereAtMs: instantMs.nullable(),
    })
    .optional(),
});
export type FailoverState = z.infer<typeof failoverState>;

export const becomePrimary = z.strictObject({
  /** Pull what the other side has first (B158). */
  pullFirst: z.boolean(),
  /** What the person was shown: refused with `FAILOVER_EXPOSURE_CHANGED` when more would be lost by now. Needed when the peer cannot be reached. */
  acceptedLoss: z.object({ changes: z.number().int(), seconds: z.number() }).optional(),
});
export const becomeBackup = z.strictObject({
  /** B35: also if the peer site cannot be contacted. */
  evenIfUnreachable: z.boolean(),
});
/** `keep`: the name of the appliance, or the SHA-256 of its pair key. */
export const fixRequest = z.strictObject({ keep: z.string().max(100) });

/**
 * For load balancers and scripts: GET `/api/failover/health`, with a token of scope `failover:read`; 200 when ready for traffic, otherwise 503, with the same
 * body.
 */
export const failoverHealth = z.object({
  appliance: z.string(),
  role: pairRole,
  ready: z.boolean(),
  epoch: z.number().int(),
  lagChanges: z.number().int().nullable(),
  lagSeconds: z.number().nullable(),
  peer: z.enum(['none', 'reachable', 'unreachable']),
});
export type FailoverHealth = z.infer<typeof failoverHealth>;
/** PUT `/api/failover/role`, with a token of scope `failover:change`. */
export const setRole = z.strictObject({
  role: z.enum(['primary', 'backup']),
  pullFirst: z.boolean().default(true),
  force: z.boolean().default(false),
});

/** GET `/api/whoami/appliance`, for every page's header, without rights beyond a login: appliance, role, state of the peer. */
export const applianceHeader = z.object({
  appliance: z.string(),
  role: pairRole,
  peer: z.object({ name: z.string(), state: z.enum(['reachable', 'unreachable']) }).nullable(),
  /** Where a change can be made, when not here. */
  primaryUrl: z.string().nullable(),
  /** The site was moved for good, to the appliance of this name: `primaryUrl` leads there (B203). */
  movedTo: z.string().optional(),
  alarms: z.array(z.enum(ALARM_CODES)).max(20),
  /** On a backup: whether it answers what only reads (B35), so that the pages show it. */
  backupOperations: z.boolean().optional(),
  /** A test of the standby: `offered` to this person by the primary; `inside`: this page is the standby's scratch copy, of which nothing stays. */
  rehearsal: z.object({ place: z.enum(['offered', 'inside']), standby: z.string(), endsAtMs: instantMs }).optional(),
});
export type ApplianceHeader = z.infer<typeof applianceHeader>;

/** Scopes of API tokens (My Account > API tokens). */
export const API_SCOPES = ['failover:read', 'failover:change', 'backup:read', 'backup:change'] as const;
export const apiScope = z.enum(API_SCOPES);
export type ApiScope = z.infer<typeof apiScope>;
export const API_TOKEN_DAYS_MAX = 366;
export const apiToken = z.object({
  id: id('apiToken'),
  name: z.string(),
  scopes: z.array(apiScope),
  createdAtMs: instantMs,
  expiresAtMs: instantMs,
  lastUsedAtMs: instantMs.nullable(),
});
export type ApiToken = z.infer<typeof apiToken>;
export const newApiToken = z.strictObject({
  name: line(100),
  scopes: z.array(apiScope).min(1).max(API_SCOPES.length),
  days: z.number().int().min(1).max(API_TOKEN_DAYS_MAX),
});
export const apiTokens = z.object({ tokens: z.array(apiToken) });
/** `secret` is shown once: `bat1.<lookup>.<secret>`, sent as `Authorization: Bearer`. */
export const createdApiToken = apiToken.extend({ secret: z.string() });
export const noteText = optionalLine(500);
