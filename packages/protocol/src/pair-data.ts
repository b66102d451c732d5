/**
 * The data link of a pair: relay ⇄ relay, ALPN `bascule-pair-data/1`, mutual TLS 1.3 with the pair keys. The follower dials. Inside: HTTP/1.1 for what is copied in the
 * background, and one WebSocket at COPY_LIVE_PATH for the recordings of live sessions. docs/spec/pair-copy.md
 */
import { z } from 'zod';
import { byteCount, instantMs, sha256Hex } from './text.ts';

/** GET: what the source holds, as JSON lines (`listedFile`), closed by a `listEnd`. */
export const COPY_LIST_PATH = '/list';
/** GET with `copyFileQuery`: the bytes of one file from a place on. */
export const COPY_FILE_PATH = '/file';
/** The WebSocket: JSON text messages, and binary ones that carry appended bytes. */
export const COPY_LIVE_PATH = '/live';

/** Of each request: what the asker is in the pair. Whoever is the same answers 503: two that both follow, for a moment of a swap, would take each other's copies for the original. */
export const COPY_ROLE_HEADER = 'x-bascule-pair-role';
export type CopyRole = 'source' | 'follower';

/** Bytes of a file in one binary message at most; in front of them stand `file` (u32) and `position` (u64). */
export const COPY_PIECE_MAX_BYTES = 256 * 1024;
export const COPY_PIECE_HEAD_BYTES = 12;
export const COPY_MESSAGE_MAX_BYTES = COPY_PIECE_MAX_BYTES + COPY_PIECE_HEAD_BYTES;
/** Of one live recording, sent and not acknowledged, at most; the follower may close a link that sends more. */
export const COPY_WINDOW_BYTES = 4 * 1024 * 1024;
/** Live recordings at one time; above it their files are copied in the background. */
export const COPY_LIVE_FILES_MAX = 20_000;
/** Files that a follower takes notice of. */
export const COPY_LIST_FILES_MAX = 1_000_000;
export const COPY_LINE_MAX_BYTES = 2048;

export const copyRoot = z.enum(['recordings', 'files']);
export type CopyRoot = z.infer<typeof copyRoot>;
/** Relative, with `/`; no part begins with a dot, so that none leads out of the folder. */
export const copyPath = z
  .string()
  .max(500)
  .regex(/^[A-Za-z0-9_@+~-][A-Za-z0-9._@+~-]*(?:\/[A-Za-z0-9_@+~-][A-Za-z0-9._@+~-]*){0,15}$/);

export const listedFile = z.object({
  root: copyRoot,
  path: copyPath,
  bytes: byteCount,
  mtimeMs: z.number().nonnegative(),
  /** Of a recording: its last 32 bytes in hex, which are its chained head hash when it is ended. Of a file: SHA-256 of its content. */
  hash: sha256Hex,
});
export type ListedFile = z.infer<typeof listedFile>;
/** Last line of the list: without it the list was cut. */
export const listEnd = z.object({ files: z.number().int().nonnegative() });

export const copyFileQuery = z.object({
  root: copyRoot,
  path: copyPath,
  from: z.coerce.number().int().nonnegative(),
  /** Of a recording with `from` above 0: the hash that stands before `from` on the follower; 409 when the source has another one there. */
  after: sha256Hex.optional(),
});

const fileNumber = z.number().int().nonnegative().max(0xffff_ffff);

/** Source → follower, text. */
export const toFollower = z.discriminatedUnion('kind', [
  /** A recording that is being written. The follower answers with `from`. */
  z.object({ kind: z.literal('open'), file: fileNumber, path: copyPath, fileBytes: byteCount, outBytes: byteCount }),
  /** What the follower says it has is not the beginning of the source's file. */
  z.object({ kind: z.literal('differs'), file: fileNumber }),
  /** It is not written any more: whole and acknowledged, or to be copied in the background. */
  z.object({ kind: z.literal('closed'), file: fileNumber }),
]);
export type ToFollower = z.infer<typeof toFollower>;

/** Follower → source, text. */
export const toSource = z.discriminatedUnion('kind', [
  /** Has the file up to `position`, where `hash` stands before it (zeros at 0), and `outBytes` of output: send from there. */
  z.object({ kind: z.literal('from'), file: fileNumber, position: byteCount, hash: sha256Hex, outBytes: byteCount }),
  /** Everything before these places is on the follower's disk. */
  z.object({ kind: z.literal('ack'), file: fileNumber, fileBytes: byteCount, outBytes: byteCount }),
  /** Each second: what the background copy has left, without the live recordings. */
  z.object({
    kind: z.literal('state'),
    recordingBytesLeft: byteCount,
    fileBytesLeft: byteCount,
    bytesPerSecond: z.number().nonnegative(),
    completedAtMs: instantMs.nullable(),
    stopped: z.string().max(500).optional(),
  }),
]);
export type ToSource = z.infer<typeof toSource>;
export type CopyState = Omit<Extract<ToSource, { kind: 'state' }>, 'kind'>;
