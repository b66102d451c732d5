/** An entry of the change log as bytes, as it travels to a follower (docs/spec/change-log.md, 6). */
import { AppError } from '@bascule/errors/app-error.ts';
import { KIND_CODE, type ChangeLogEntry, type EntryKind } from './change-log.ts';
import { ENTRY_HEAD_BYTES, ENTRY_MAX_BYTES } from './entry-limits.ts';

const VERSION = 1;
const HASH_BYTES = 32;
/** Where the parts of the head begin: version and kind are one byte each, numbers eight, the length of the content four. */
const At = { version: 0, kind: 1, seq: 2, epoch: 10, schema: 18, atMs: 26, previous: 34, hash: 66, length: 98 } as const;

/** The bytes of `entry` (change-log 6.1). Throws `STORE_ENTRY_TOO_LARGE` for one that must never have been made. */
export function encodeEntry(entry: ChangeLogEntry): Uint8Array {
  if (ENTRY_HEAD_BYTES + entry.bytes.length > ENTRY_MAX_BYTES) throw malformed('it is too large');
  const encoded = Buffer.allocUnsafe(ENTRY_HEAD_BYTES + entry.bytes.length);
  encoded.writeUInt8(VERSION, At.version);
  encoded.writeUInt8(KIND_CODE[entry.kind], At.kind);
  for (const name of ['seq', 'epoch', 'schema', 'atMs'] as const) encoded.writeBigUInt64BE(BigInt(entry[name]), At[name]);
  encoded.set(entry.previous, At.previous);
  encoded.set(entry.hash, At.hash);
  encoded.writeUInt32BE(entry.bytes.length, At.length);
  encoded.set(entry.bytes, ENTRY_HEAD_BYTES);
  return encoded;
}

/**
 * Reads what `encodeEntry` wrote, and nothing else: every length and number has its limit, no byte may be left over. The hash is compared when the entry is applied. Throws
 * `STORE_ENTRY_MALFORMED`.
 */
export function decodeEntry(encoded: Uint8Array): ChangeLogEntry {
  if (encoded.length < ENTRY_HEAD_BYTES || encoded.length > ENTRY_MAX_BYTES) throw malformed('its length is not possible');
  const view = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  if (view.readUInt8(At.version) !== VERSION) throw malformed(`its version ${view.readUInt8(At.version)} is not known`);
  const kind = (Object.keys(KIND_CODE) as EntryKind[]).find((name) => KIND_CODE[name] === view.readUInt8(At.kind));
  if (kind === undefined) throw malformed(`its kind ${view.readUInt8(At.kind)} is not known`);
  if (view.readUInt32BE(At.length) !== encoded.length - ENTRY_HEAD_BYTES) throw malformed('its length does not fit');
  return {
    seq: readNumber(view, At.seq),
    epoch: readNumber(view, At.epoch),
    schema: readNumber(view, At.schema),
    atMs: readNumber(view, At.atMs),
    kind,
    previous: Uint8Array.from(view.subarray(At.previous, At.previous + HASH_BYTES)),
    hash: Uint8Array.from(view.subarray(At.hash, At.hash + HASH_BYTES)),
    bytes: view.subarray(ENTRY_HEAD_BYTES),
  };
}

function readNumber(view: Buffer, at: number): number {
  const value = view.readBigUInt64BE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed('a number in it is too large');
  return Number(value);
}

function malformed(why: string): AppError {
  return new AppError(
    'invalid',
    'STORE_ENTRY_MALFORMED',
    `An entry of the change log cannot be read: ${why}. Nothing was changed.`,
  );
}
