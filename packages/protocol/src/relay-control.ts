/**
 * Site main ⇄ relay, over `site/run/relay-control.sock` (a directory closed to other users): JSON lines, each at most
 * RELAY_LINE_MAX_BYTES. Main connects, sends `configure`, then one `session-open` for every session that lives; the relay has no
 * database. After a restart of either side this is repeated: every message is idempotent by session.
 */
import { z } from 'zod';
import { byteCount, id, instantMs, sha256Hex, terminalSize } from './text.ts';
import { endReasons } from './end-reason.ts';

export const RELAY_LINE_MAX_BYTES = 1024 * 1024;

/** Who, what, when, from where: written into the recording's header, so that the file speaks for itself. Names, not only keys. */
export const recordingHeader = z.object({
  format: z.literal('bascule-recording/1'),
  session: id('accessSession'),
  startedAtMs: instantMs,
  appliance: z.string(),
  user: z.object({ id: id('user'), name: z.string() }),
  fromAddress: z.string(),
  jumpItem: z.object({ id: z.string(), name: z.string(), hostName: z.string(), runsAs: z.string() }),
  program: z.literal('shell'),
  size: terminalSize,
  recordsInput: z.boolean(),
});
export type RecordingHeader = z.infer<typeof recordingHeader>;

export const toRelay = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('configure'),
    tls: z.object({
      key: z.string(),
      certificate: z.string(),
      authority: z.string(),
      /** What TLS sessions are resumed with, base64 of 48 bytes: the same over a restart of the site. */
      ticketKeys: z.base64().length(64).optional(),
    }),
    limits: z.object({
      /** One recording's size at most; then the session ends with `limit-reached`. */
      recordingMaxBytes: byteCount,
      /** Space kept free on the recordings' file system for database, audit and updates. */
      reserveBytes: byteCount,
      /** How long a session stays paused because its recording cannot be written, before it is ended. */
      recordingPauseLimitMs: z.number().int().positive(),
      /** Sustained output of one session, and the burst above it, in bytes per second and bytes. */
      sessionBytesPerSecond: z.number().int().positive(),
      sessionBurstBytes: z.number().int().positive(),
    }),
  }),
  /** Open (or find again, and repair) the recording, and expect links. `file` is relative to the recordings directory. */
  z.object({
    kind: z.literal('session-open'),
    session: id('accessSession'),
    client: id('jumpClient'),
    file: z.string(),
    header: recordingHeader,
    /** Whether this session was already running: then its recording must exist. */
    resumed: z.boolean(),
    /** Main has been asked to end it: what the process does from here on is not its own doing. `session-end` follows. */
    endRequested: z.enum(endReasons).optional(),
    /** Bytes typed that an earlier relay has told of; this one goes on counting from there. */
    inBytes: byteCount.optional(),
  }),
  /** A one-time ticket; only its hash travels. Single use, until `expiresAtMs`. */
  z.object({
    kind: z.literal('agent-ticket'),
    session: id('accessSession'),
    client: id('jumpClient'),
    ticketSha256: sha256Hex,
    expiresAtMs: instantMs,
  }),
  z.object({
    kind: z.literal('viewer-ticket'),
    session: id('accessSession'),
    user: id('user'),
    loginSession: id('loginSession'),
    ticketSha256: sha256Hex,
    expiresAtMs: instantMs,
  }),
  /** Cut every viewer link of this login session, user or access session (logged out, disabled, the right to it lost). */
  z.object({
    kind: z.literal('viewers-cut'),
    loginSession: id('loginSession').optional(),
    user: id('user').optional(),
    session: id('accessSession').optional(),
  }),
  /** Cut the agent's data links at once (revoked, deleted). */
  z.object({ kind: z.literal('agent-cut'), client: id('jumpClient') }),
  /**
   * Close the record: takes the output that still comes for at most `graceMs`, writes the end frame, answers `session-ended`.
   * Asked again for an ended session, answers the same again.
   */
  z.object({
    kind: z.literal('session-end'),
    session: id('accessSession'),
    reason: z.enum(endReasons),
    graceMs: z.number().int().nonnegative(),
  }),
  /** Main has stored `session-ended`: the relay may forget. */
  z.object({ kind: z.literal('session-forget'), session: id('accessSession') }),
  /**
   * The pair: what the relay does with recordings and files (docs/spec/pair.md). `source`: lets the pinned peer copy, and acknowledges output to clients by `waits`.
   * `follower`: dials the peer and copies. `none`: neither. Again on every change.
   */
  z.object({
    kind: z.literal('pair'),
    role: z.enum(['none', 'source', 'follower']),
    /** False: sessions go on at the other side, and their clients are told nothing more from here; a follower's always. */
    isServing: z.boolean().optional(),
    /** The pair key and its certificate, PEM, and the SHA-256 of the peer's key. */
    key: z.string().optional(),
    certificate: z.string().optional(),
    peerKeySha256: sha256Hex.optional(),
    peer: z.object({ host: z.string(), port: z.number().int() }).optional(),
    mode: z.enum(['async', 'sync']).optional(),
    /** Bytes a second of what is no live session; 0: no limit. */
    bytesPerSecond: z.number().int().nonnegative().optional(),
  }),
]);
export type ToRelay = z.infer<typeof toRelay>;

export const fromRelay = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('configured') }),
  z.object({ kind: z.literal('session-opened'), session: id('accessSession'), recordedBytes: byteCount, repaired: z.boolean() }),
  z.object({ kind: z.literal('session-open-failed'), session: id('accessSession'), reason: z.string() }),
  z.object({ kind: z.literal('agent-link'), session: id('accessSession'), connected: z.boolean() }),
  /** How many viewers are there now; 0 starts the clock of 'not resumed in time'. */
  z.object({ kind: z.literal('viewers'), session: id('accessSession'), count: z.number().int().nonnegative() }),
  z.object({ kind: z.literal('paused'), session: id('accessSession'), paused: z.boolean(), reason: z.string().optional() }),
  /** At most every 10 s while bytes flow: for the list of active sessions. */
  z.object({ kind: z.literal('progress'), session: id('accessSession'), outBytes: byteCount, inBytes: byteCount }),
  z.object({
    kind: z.literal('session-ended'),
    session: id('accessSession'),
    reason: z.enum(endReasons),
    exitCode: z.number().int().nullable(),
    endedAtMs: instantMs,
    outBytes: byteCount,
    inBytes: byteCount,
    recordingBytes: byteCount,
    /** The chained hash after the last frame: goes into the audit event. */
    headSha256: sha256Hex,
    /** Of `outBytes`: how many are missing in the recording's gaps (wire 6.9); absent: none. */
    gapBytes: byteCount.optional(),
  }),
  /** After a change of roles: neither this recording nor the client has this part of the output any more. The recording says so too. */
  z.object({ kind: z.literal('gap'), session: id('accessSession'), from: byteCount, to: byteCount }),
  /** Each second while there is a pair, and when the copy becomes whole. */
  z.object({
    kind: z.literal('pair-copy'),
    connected: z.boolean(),
    recordingBytesLeft: byteCount,
    fileBytesLeft: byteCount,
    bytesPerSecond: z.number().nonnegative(),
    /** When everything that was there had been copied; null: never since the start. */
    completedAtMs: instantMs.nullable(),
    /** Of live sessions: bytes that are only here, and that no client still holds. */
    exposedBytes: byteCount,
    /** By which order that is so: `sync` when every acknowledgement waits for the other side. Relays of before do not say it. */
    waits: z.enum(['none', 'async', 'sync']).optional(),
    /** Why it does not go on. */
    stopped: z.string().optional(),
  }),
]);
export type FromRelay = z.infer<typeof fromRelay>;
