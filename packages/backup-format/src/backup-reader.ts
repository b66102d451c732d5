/** Reads a backup of any origin as a stream, trusting nothing (docs/spec/backup-format.md, "Reading"). */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { constants, createZstdDecompress } from 'node:zlib';
import type { BackupPart } from '@bascule/protocol/api/backup.ts';
import { BOX_SETTINGS_MAX_BYTES } from '@bascule/protocol/api/box-settings.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { AGE_MAGIC, HEADER_LIMIT_BYTES, headerEnd, openHeader } from './age-header.ts';
import { openPayload } from './age-payload.ts';
import { damaged, foreign, notEncrypted, passwordNeeded, refused, tooLarge, truncated } from './backup-faults.ts';
import { MANIFEST_LIMIT_BYTES, parseManifest, unpackedBytes, type BackupManifest } from './backup-manifest.ts';
import { readHeader, tarPadding, type TarMember } from './backup-tar.ts';
import { ByteSource } from './byte-source.ts';
import { ChecksumList } from './checksum-list.ts';
import { watchFrames } from './zstd-frames.ts';
import { CHECKSUMS_PATH, MANIFEST_PATH, MemberOrder } from './member-order.ts';

/** 2^24 bytes: the most memory that a backup may ask zstd for (`zstd -19` asks for half of it). */
const WINDOW_LIMIT_LOG = 24;
/** No appliance has so many recordings and files; more is not a backup. */
export const MEMBERS_LIMIT = 5_000_000;
/** Parts whose files are read whole by whoever uses them; none of ours is larger. */
const SMALL_PARTS: readonly BackupPart[] = ['identity', 'box-settings'];
const SMALL_FILE_LIMIT_BYTES = BOX_SETTINGS_MAX_BYTES;
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const CHUNK_BYTES = 256 * 1024;
/** Zeros after the end of the archive: GNU tar fills up to 10 KiB. */
const TAIL_LIMIT_BYTES = 64 * 1024;

export interface ReadBackupOptions {
  /** Absent: the backup was made without one. With one, a file that is not encrypted is refused: whoever gives a password counts on it. */
  password?: string;
  /** Most that may be unpacked: what is free on the disk, less what has to stay free. Absent: what the manifest says is the only limit. */
  unpackedBytesLimit?: number;
  signal?: AbortSignal;
}

/** One file of a backup. Its `content` is read to its end before the next one is asked for. */
export interface ReadMember extends TarMember {
  part: BackupPart;
  content: AsyncIterable<Buffer>;
}

/** A backup of which the manifest was read. Close it in any case. */
export class BackupReader {
  readonly manifest: BackupManifest;
  /** Whether it was decrypted, with the password: nobody without it has made or altered it. */
  readonly wasEncrypted: boolean;
  readonly #source: ByteSource;
  readonly #checksums: ChecksumList;
  readonly #close: () => void;
  readonly #counts = new Map<BackupPart, { members: number; bytes: number }>();

  private constructor(manifest: BackupManifest, { source, wasEncrypted, close }: TarSource, checksums: ChecksumList) {
    this.manifest = manifest;
    this.wasEncrypted = wasEncrypted;
    this.#source = source;
    this.#checksums = checksums;
    this.#close = close;
  }

  /**
   * Reads as far as the manifest. Throws `BACKUP_PASSWORD_NEEDED`, `BACKUP_PASSWORD_WRONG`, `BACKUP_NOT_ENCRYPTED`, `BACKUP_FOREIGN`, `BACKUP_NEWER`, `BACKUP_TRUNCATED`, `BACKUP_DAMAGED`,
   * `BACKUP_TOO_LARGE` (more than fits), `BACKUP_ENTRY_REFUSED`, `BACKUP_FOREIGN_ENCRYPTION`.
   */
  static async open(file: AsyncIterable<Uint8Array>, options: ReadBackupOptions = {}): Promise<BackupReader> {
    const tar = await tarSource(file, options);
    const { source, wasEncrypted, close } = tar;
    try {
      const first = await readHeader((bytes) => source.take(bytes)).catch((error: unknown) => {
        throw isEntryFault(error) ? foreign() : error;
      });
      if (first?.path !== MANIFEST_PATH || first.bytes > MANIFEST_LIMIT_BYTES) throw foreign();
      const text = await source.take(first.bytes);
      await takePadding(source, first.bytes);
      const manifest = parseManifest(text.toString('utf8'));
      if (manifest.isEncrypted && !wasEncrypted) throw notEncrypted('it was made with a password');
      if (wasEncrypted && !manifest.isEncrypted) throw damaged('it is encrypted, and was made without a password');
      const needed = unpackedBytes(manifest);
      if (options.unpackedBytesLimit !== undefined && needed > options.unpackedBytesLimit)
        throw tooLarge(`it holds ${needed} bytes, and there is room for ${options.unpackedBytesLimit}. Make room first`);
      const checksums = new ChecksumList({ keeps: false });
      checksums.add(createHash('sha256').update(text).digest('hex'), MANIFEST_PATH);
      return new BackupReader(manifest, tar, checksums);
    } catch (error) {
      close();
      throw faultOf(error, options.signal);
    }
  }

  /** All members in order; after the last one the checksums were compared and nothing follows. Throws as `open`. */
  async *members(): AsyncGenerator<ReadMember> {
    try {
      yield* this.#members();
    } catch (error) {
      throw faultOf(error);
    } finally {
      this.#close();
    }
  }

  close(): void {
    this.#close();
  }

  async *#members(): AsyncGenerator<ReadMember> {
    const order = new MemberOrder();
    for (let count = 0; ; count += 1) {
      const member = await readHeader((bytes) => this.#source.take(bytes));
      if (member === undefined) throw truncated();
      if (member.path === CHECKSUMS_PATH) return await this.#finish(member);
      if (count >= MEMBERS_LIMIT) throw tooLarge(`it holds more than ${MEMBERS_LIMIT} files`);
      const part = order.next(member.path);
      this.#check(part, member);
      this.#count(part, member);
      const hash = createHash('sha256');
      let isRead = false;
      const source = this.#source;
      yield {
        ...member,
        part,
        content: (async function* () {
          try {
            for await (const piece of source.pieces(member.bytes)) {
              hash.update(piece);
              yield piece;
            }
            isRead = true;
          } catch (error) {
            throw faultOf(error);
          }
        })(),
      };
      if (!isRead) throw new Error(`the content of ${member.path} was not read to its end`);
      await takePadding(this.#source, member.bytes);
      this.#checksums.add(hash.digest('hex'), member.path);
    }
  }

  /** What is no more than odd elsewhere is refused for keys and settings. */
  #check(part: BackupPart, { path, bytes }: TarMember): void {
    if (part === 'identity' && !this.wasEncrypted) throw refused(`'${path}', although it has no password`);
    if (SMALL_PARTS.includes(part) && bytes > SMALL_FILE_LIMIT_BYTES) throw refused(`'${path}' of ${bytes} bytes`);
  }

  /** No more than the manifest says, of each part. */
  #count(part: BackupPart, { bytes }: TarMember): void {
    const said = this.manifest.parts.find((candidate) => candidate.part === part);
    const before = this.#counts.get(part) ?? { members: 0, bytes: 0 };
    const counted = { members: before.members + 1, bytes: before.bytes + bytes };
    if (said === undefined || counted.members > said.members || counted.bytes > said.bytes)
      throw tooLarge(`its part '${part}' holds more than its list of contents says`);
    this.#counts.set(part, counted);
  }

  async #finish(member: TarMember): Promise<void> {
    if (member.bytes !== this.#checksums.bytes) throw damaged('its checksums do not fit its files');
    const hash = createHash('sha256');
    for await (const piece of this.#source.pieces(member.bytes)) hash.update(piece);
    if (hash.digest('hex') !== this.#checksums.digest()) throw damaged('its checksums do not fit its files');
    await takePadding(this.#source, member.bytes);
    if ((await readHeader((bytes) => this.#source.take(bytes))) !== undefined) throw refused('something follows its checksums');
    // tar programs fill up their last record with zeros.
    const tail = await this.#source.peek(TAIL_LIMIT_BYTES + 1);
    if (tail.length > TAIL_LIMIT_BYTES || tail.some((byte) => byte !== 0)) throw damaged('something follows its end');
  }
}

interface TarSource {
  source: ByteSource;
  wasEncrypted: boolean;
  close(): void;
}

async function tarSource(file: AsyncIterable<Uint8Array>, { password, signal }: ReadBackupOptions): Promise<TarSource> {
  const raw = new ByteSource(file, signal);
  const decompress = createZstdDecompress({
    chunkSize: CHUNK_BYTES,
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LIMIT_LOG },
  });
  let opened: Awaited<ReturnType<typeof plain>>;
  try {
    opened = await plain(raw, password);
  } catch (error) {
    await raw.close();
    decompress.destroy();
    throw faultOf(error, signal);
  }
  const feed = Readable.from(watchFrames(opened.payload), { objectMode: false, highWaterMark: CHUNK_BYTES });
  feed.once('error', (error) => decompress.destroy(error));
  feed.pipe(decompress);
  return {
    source: new ByteSource(decompress as AsyncIterable<Buffer>, signal),
    wasEncrypted: opened.wasEncrypted,
    close() {
      feed.destroy();
      decompress.destroy();
      void raw.close();
    },
  };
}

/** What is compressed, out of its encryption if it has one. */
async function plain(
  raw: ByteSource,
  password: string | undefined,
): Promise<{ payload: AsyncIterable<Uint8Array>; wasEncrypted: boolean }> {
  const start = await raw.peek(HEADER_LIMIT_BYTES);
  if (start.subarray(0, ZSTD_MAGIC.length).equals(ZSTD_MAGIC)) {
    if (password !== undefined) throw notEncrypted('a password was given');
    return { payload: raw.rest(), wasEncrypted: false };
  }
  const magic = Buffer.from(AGE_MAGIC);
  if (start.length < ZSTD_MAGIC.length && ZSTD_MAGIC.subarray(0, start.length).equals(start)) throw truncated();
  if (!start.subarray(0, magic.length).equals(magic.subarray(0, start.length))) throw foreign();
  const end = headerEnd(start);
  if (end === undefined) throw start.length < HEADER_LIMIT_BYTES ? truncated() : damaged('its encryption header is too long');
  if (password === undefined) throw passwordNeeded();
  const fileKey = await openHeader(await raw.take(end), password);
  return { payload: openPayload(raw.rest(), fileKey), wasEncrypted: true };
}

async function takePadding(source: ByteSource, bytes: number): Promise<void> {
  const padding = await source.take(tarPadding(bytes));
  if (padding.some((byte) => byte !== 0)) throw refused('something is hidden between its files');
}

function isEntryFault(error: unknown): boolean {
  return error instanceof AppError && error.code === 'BACKUP_ENTRY_REFUSED';
}

function faultOf(error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (error instanceof AppError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'Z_BUF_ERROR') return truncated(error);
  if (code === 'ZSTD_error_frameParameter_windowTooLarge') return tooLarge('unpacking it would need too much memory');
  if (code.startsWith('ZSTD_') || code.startsWith('Z_')) return damaged('it cannot be decompressed', error);
  return error;
}
