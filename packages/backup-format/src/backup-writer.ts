/** Writes a backup as one stream: tar -> zstd -> age (docs/spec/backup-format.md). Memory does not depend on how much there is. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { constants, createZstdCompress } from 'node:zlib';
import { AppError } from '@bascule/errors/app-error.ts';
import type { BackupPart } from '@bascule/protocol/api/backup.ts';
import { makeHeader, WORK_FACTOR } from './age-header.ts';
import { sealPayload } from './age-payload.ts';
import { MANIFEST_LIMIT_BYTES, type BackupManifest } from './backup-manifest.ts';
import { ChecksumList } from './checksum-list.ts';
import { MANIFEST_PATH, MemberOrder } from './member-order.ts';
import { encodeHeader, TAR_END_BYTES, tarPadding } from './backup-tar.ts';

/** As the zstd program does by default. */
const COMPRESSION_LEVEL = 3;
const READ_BYTES = 256 * 1024;
/** What is handed on is at least so large, but for the end. */
const PIECE_BYTES = 256 * 1024;

/** One file of a backup. Members come in the order of their parts, and by the bytes of their paths within one. */
export interface BackupMember {
  part: BackupPart;
  /** In the backup: `recordings/2026/11/acs_1.brec`. */
  path: string;
  /** A file on disk, of which exactly `bytes` are taken from its start (it may grow meanwhile), or the bytes themselves. */
  source: string | Uint8Array;
  bytes: number;
  modifiedS: number;
}

export interface WriteBackupOptions {
  manifest: BackupManifest;
  members: AsyncIterable<BackupMember> | Iterable<BackupMember>;
  /** Absent: a plain `.tar.zst`. */
  password?: string | undefined;
  /** Bytes of members that were read so far. */
  onProgress?(bytes: number): void;
  /** A member whose file is gone: left out (a recording that retention removed). Absent: the backup fails. */
  onGone?(member: BackupMember): void;
  /** Smaller ones are for tests. */
  workFactor?: number;
}

/** The bytes of the backup, in order. What follows them (a file, an SFTP server) decides the speed. Throws `BACKUP_SOURCE_CHANGED` for a file that became shorter. */
export async function* backupBytes(options: WriteBackupOptions): AsyncGenerator<Buffer> {
  const { password, workFactor = WORK_FACTOR } = options;
  // First, while nothing else needs memory.
  const key = password === undefined ? undefined : await makeHeader(password, workFactor);
  const compress = createZstdCompress({
    chunkSize: PIECE_BYTES,
    params: { [constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  const tar = Readable.from(tarOf(options), { objectMode: false, highWaterMark: PIECE_BYTES });
  tar.once('error', (error) => compress.destroy(error));
  tar.pipe(compress);
  try {
    if (key === undefined) yield* compress as AsyncIterable<Buffer>;
    else {
      yield key.header;
      yield* sealPayload(compress as AsyncIterable<Buffer>, key.fileKey);
    }
  } finally {
    tar.destroy();
    compress.destroy();
  }
}

async function* tarOf({ manifest, members, onProgress, onGone }: WriteBackupOptions): AsyncGenerator<Buffer> {
  const checksums = new ChecksumList();
  const order = new MemberOrder();
  const text = Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`);
  if (text.length > MANIFEST_LIMIT_BYTES) throw new Error('the manifest of a backup became too long');
  const modifiedS = Math.floor(manifest.madeAtMs / 1000);
  yield* small(MANIFEST_PATH, text, modifiedS);
  checksums.add(createHash('sha256').update(text).digest('hex'), MANIFEST_PATH);
  let done = 0;
  const tell = (bytes: number) => onProgress?.((done += bytes));
  for await (const member of members) {
    order.next(member.path);
    const hash = createHash('sha256');
    if (typeof member.source === 'string') {
      const file = await openMember(member.source);
      if (file === undefined) {
        if (onGone === undefined) throw changed(member);
        onGone(member);
        continue;
      }
      try {
        yield encodeHeader(member);
        yield* pieces(file, member, hash, tell);
      } finally {
        await file.close();
      }
    } else {
      yield encodeHeader(member);
      hash.update(member.source);
      yield Buffer.from(member.source);
      tell(member.bytes);
    }
    const padding = tarPadding(member.bytes);
    if (padding > 0) yield Buffer.alloc(padding);
    checksums.add(hash.digest('hex'), member.path);
  }
  yield* checksums.member(modifiedS);
  yield Buffer.alloc(TAR_END_BYTES);
}

function* small(path: string, bytes: Buffer, modifiedS: number): Generator<Buffer> {
  yield encodeHeader({ path, bytes: bytes.length, modifiedS });
  yield bytes;
  yield Buffer.alloc(tarPadding(bytes.length));
}

type OpenFile = Awaited<ReturnType<typeof open>>;

async function openMember(path: string): Promise<OpenFile | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function* pieces(
  file: OpenFile,
  member: BackupMember,
  hash: ReturnType<typeof createHash>,
  tell: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for (let left = member.bytes; left > 0;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(READ_BYTES, left)), 0);
    if (bytesRead === 0) throw changed(member);
    const piece = buffer.subarray(0, bytesRead);
    hash.update(piece);
    left -= bytesRead;
    tell(bytesRead);
    yield piece;
  }
}

function changed({ path }: BackupMember): AppError {
  return new AppError('conflict', 'BACKUP_SOURCE_CHANGED', `${path} changed while it was backed up. Make the backup again.`);
}
