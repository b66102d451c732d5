/**
 * The pair link: site main ⇄ site main of the other appliance. TLS 1.3 with ALPN `bascule-pair/1`, handed on unopened by base; both sides show the certificate
 * of their pair key and pin the other's (docs/spec/pair.md). Inside: HTTP/1.1. One WebSocket at `/follow` is dialled by whoever follows.
 */
import { z } from 'zod';
import { byteCount, instantMs, sha256Hex } from './text.ts';
import { pairMode, pairRole, pairSettings, sideState } from './api/failover.ts';

export const PAIR_ALPN = 'bascule-pair/1';
/** Recordings and files, relay ⇄ relay: the same keys, a WebSocket at `/copy`. */
export const PAIR_DATA_ALPN = 'bascule-pair-data/1';
export const PAIR_VERSIONS = [1] as const;
export const PAIR_MESSAGE_MAX_BYTES = 1024 * 1024;
/** An entry of the change log travels whole; larger ones are refused when they are made. */
export const PAIR_ENTRY_MAX_BYTES = 64 * 1024 * 1024;
/** Either side drops a link that was silent for this long; each side says something at a third of it. */
export const PAIR_SILENCE_LIMIT_MS = 6_000;

/** A statement signed by the site identity: who holds which epoch of which history. Anything else that claims an epoch is ignored. */
export const epochStatement = z.object({
  format: z.literal('bascule-epoch/1'),
  history: z.string().max(64),
  epoch: z.number().int().positive(),
  /** SHA-256 of the holder's pair key. */
  holder: sha256Hex,
  holderName: z.string().max(100),
  predecessor: z.object({ history: z.string().max(64), epoch: z.number().int().nonnegative() }).nullable(),
  atMs: instantMs,
});
export type EpochStatement = z.infer<typeof epochStatement>;
export const signedStatement = z.object({
  /** The JSON text whose UTF-8 bytes are signed. */
  statement: z.string().max(2048),
  signature: z.string().max(512),
});
export type SignedStatement = z.infer<typeof signedStatement>;

/** GET `/state`: each side asks the other every few seconds, whatever its role. */
export const pairStateAnswer = z.object({
  side: sideState,
  statement: signedStatement.nullable(),
  mode: pairMode,
  /** Newest entry, and the newest that the asker is known to have. */
  log: z.object({
    seq: z.number().int().nonnegative(),
    hash: sha256Hex,
    ackedSeq: z.number().int().nonnegative(),
    /** Of the newest entry. */
    epoch: z.number().int().nonnegative().optional(),
  }),
  timeMs: instantMs,
  rolesAgree: z.boolean(),
  /** Whether the relationship was not broken, as the answering side knows it. */
  isActive: z.boolean().optional(),
  /** An upgrade plan has broken it, and establishes it again. */
  isApartForPlan: z.boolean().optional(),
  /** Why the answering side is `read-only`. */
  readOnly: z.enum(['broken', 'restored', 'superseded']).nullable().optional(),
  /** Of what it has archived and the other side has not yet taken into its history (B136): fetched by GET `/archives/<id>`. */
  archives: z
    .array(z.object({ id: z.string().max(64), bytes: byteCount, sha256: sha256Hex }))
    .max(4)
    .optional(),
  /** Of the relationship: a backup follows those of its primary. */
  settings: pairSettings.optional(),
  /** Of a backup: how far its copy is, while a first copy is fetched too (then nothing is said on `/follow`). */
  copying: z
    .object({
      isSnapshot: z.boolean(),
      databaseBytesLeft: byteCount,
      recordingBytesLeft: byteCount,
      fileBytesLeft: byteCount,
      bytesPerSecond: z.number().nonnegative(),
      /** When it last had everything, by its own clock. */
      completedAtMs: instantMs.nullable(),
    })
    .optional(),
  /** Of a backup: one-time codes that were used there lately, by account and time step: they are good once, wherever. */
  usedSteps: z
    .array(z.tuple([z.string().max(64), z.number().int().nonnegative()]))
    .max(50)
    .optional(),
  /** When the answering backup last found all its tables equal to the primary's. */
  comparedAtMs: instantMs.nullable().optional(),
  /** SHA-256 over the site keys that both sides have: they differ when the site identity was rotated. */
  keysSha256: sha256Hex.optional(),
  /** A fingerprint of the vault keys, former ones too; earlier software has only one and says nothing. */
  ringSha256: sha256Hex.optional(),
});
export type PairStateAnswer = z.infer<typeof pairStateAnswer>;

/** First text message on `/follow`, follower → source. */
export const followHello = z.object({
  versions: z.array(z.number().int().positive()).min(1).max(8),
  history: z.string().max(64),
  epoch: z.number().int().nonnegative(),
  /** What the follower has: entries follow from here, if the source has this very entry. */
  seq: z.number().int().nonnegative(),
  hash: sha256Hex,
  /** Numbers of the migrations that its software knows. */
  knownMigrations: z.array(z.number().int()).max(1000),
  softwareVersion: z.string().max(64),
});
export type FollowHello = z.infer<typeof followHello>;

/** Source → follower. Entries of the change log are binary messages (`packages/store` change-entry format). */
export const fromSource = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('following'), from: z.number().int().nonnegative(), statement: signedStatement }),
  /** The follower's copy does not fit: it takes a snapshot, after archiving what it holds that the source lacks. */
  z.object({
    kind: z.literal('snapshot-needed'),
    reason: z.enum(['new', 'too-far-behind', 'diverged', 'other-history', 'schema']),
  }),
  z.object({ kind: z.literal('head'), seq: z.number().int().nonnegative(), atMs: instantMs, timeMs: instantMs }),
  /** Hashes of all replicated tables at exactly this entry. */
  z.object({ kind: z.literal('hashes'), seq: z.number().int().nonnegative(), tables: z.record(z.string(), sha256Hex) }),
  /** With automatic failover: the primary of `epoch` asks that the follower does not take over for `leaseMs`, so that it can go on while the witness is away. */
  z.object({
    kind: z.literal('hold'),
    nonce: z.number().int(),
    epoch: z.number().int().positive(),
    leaseMs: z.number().int().min(500).max(60_000),
  }),
  /** The source stops on purpose; what comes next is the follower's turn. */
  z.object({ kind: z.literal('handing-over'), seq: z.number().int().nonnegative(), hash: sha256Hex, statement: signedStatement }),
]);
export type FromSource = z.infer<typeof fromSource>;

/** Follower → source. */
export const fromFollower = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('hello'), ...followHello.shape }),
  /** Everything up to here is durable on the follower. */
  z.object({ kind: z.literal('ack'), seq: z.number().int().nonnegative() }),
  z.object({
    kind: z.literal('status'),
    freeBytes: byteCount.nullable(),
    recordingBytesLeft: byteCount,
    fileBytesLeft: byteCount,
    timeMs: instantMs,
  }),
  /** Answer to `hold`. `isOff`: automatic failover is off here, so that nothing is taken over without a person. */
  z.object({ kind: z.literal('held'), nonce: z.number().int(), isPromised: z.boolean(), isOff: z.boolean().optional() }),
  z.object({ kind: z.literal('hashes-differ'), seq: z.number().int(), tables: z.array(z.string()).max(200) }),
]);
export type FromFollower = z.infer<typeof fromFollower>;

/** POST `/role`: one side tells the other what to become. Checked against the signed statement; idempotent by epoch. */
export const roleOrder = z.discriminatedUnion('kind', [
  /** To the primary: stop writing, send what is left, sign the statement that hands the epoch over. `pullFirst` false: also while output of sessions is on its disk alone. */
  z.object({
    kind: z.literal('hand-over'),
    by: z.string().max(200),
    toEpoch: z.number().int().positive(),
    pullFirst: z.boolean().optional(),
  }),
  z.object({ kind: z.literal('become-backup'), statement: signedStatement, by: z.string().max(200) }),
  z.object({
    kind: z.literal('become-primary'),
    by: z.string().max(200),
    pullFirst: z.boolean(),
    /** Of two sides that say `backup` a person has chosen this one. */
    isFix: z.boolean().optional(),
  }),
  z.object({
    kind: z.literal('break'),
    by: z.string().max(200),
    /** By an upgrade plan, which establishes it again. */
    isForPlan: z.boolean().optional(),
  }),
  /** To the other side of a relationship that was broken: be the backup of it again. What it has changed of its own meanwhile is archived. */
  z.object({ kind: z.literal('establish-again'), statement: signedStatement, by: z.string().max(200), mode: pairMode }),
]);
export type RoleOrder = z.infer<typeof roleOrder>;
export const roleAnswer = z.object({
  ok: z.boolean(),
  code: z.string().optional(),
  message: z.string().optional(),
  statement: signedStatement.optional(),
  seq: z.number().int().optional(),
  role: pairRole.optional(),
});
export type RoleAnswer = z.infer<typeof roleAnswer>;
