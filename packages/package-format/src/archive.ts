/** Package archives, `.tar.zst` (package-format 2): the same files give the same bytes, and unpacking trusts nothing. */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { syncFolder } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { ByteReader } from './byte-reader.ts';
import { diskFault } from './disk-fault.ts';
import {
  compareBytes,
  encodeTarHeader,
  printable,
  readTarHeader,
  TAR_END,
  TarFault,
  tarPadding,
  type TarEntry,
} from './tar-format.ts';

/** Of zstd; part of "the same files give the same bytes". */
const COMPRESSION_LEVEL = 12;
/** 2^24 bytes: the most memory that an archive may ask for. */
const WINDOW_LIMIT_LOG = 24;
/** Files that are being synced while the next ones are written. */
const SYNCS_LIMIT = 16;
/** No package of ours comes near; protects from a manifest that allows too much. */
export const ARCHIVE_FILE_COUNT_LIMIT = 200_000;

export interface ArchiveFile {
  /** Relative, with `/`: `apps/base/src/main.ts`. */
  path: string;
  /** A file on disk, or the bytes themselves. */
  source: string | Uint8Array;
  executable: boolean;
}

export interface ArchiveSummary {
  bytes: number;
  sha256: string;
  unpackedBytes: number;
  fileCount: number;
}

export interface UnpackOptions {
  signal?: AbortSignal;
  /** Gets the bytes unpacked so far. */
  onProgress?(bytes: number): void;
  /** Which entries are wanted, by path. */
  only?(path: string): boolean;
}

export interface ArchiveLimits {
  unpackedBytes: number;
  fileCount: number;
}

/**
 * Packs `files` as `target`, reproducibly: sorted by path, no times, no owners (package-format 2.2). Throws `ARCHIVE_PATH` for a path that cannot be packed or
 * that comes twice, `ARCHIVE_SOURCE_CHANGED` for a file that changed meanwhile. `target` appears whole or not at all.
 */
export async function packArchive(files: ArchiveFile[], target: string): Promise<ArchiveSummary> {
  const sorted = files.toSorted((a, b) => compareBytes(a.path, b.path));
  const summary = { bytes: 0, sha256: '', unpackedBytes: 0, fileCount: sorted.length };
  const hash = createHash('sha256');
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      summary.bytes += chunk.length;
      done(null, chunk);
    },
  });
  const compress = createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  const temporary = `${target}.tmp`;
  try {
    const contents = Readable.from(tarOf(sorted, summary), { objectMode: false });
    await pipeline(contents, compress, measure, createWriteStream(temporary, { flush: true }));
    await rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskFault(error);
  }
  summary.sha256 = hash.digest('hex');
  return summary;
}

/**
 * Unpacks `archive` into `into`, which is new or empty; files get mode 0644 or 0755 and are on disk when it returns. Memory stays bounded, and it stops as soon
 * as a limit is passed. What it made until a failure stays there: the caller removes `into`. Throws `ARCHIVE_UNREADABLE`, `ARCHIVE_TRUNCATED`,
 * `ARCHIVE_MALFORMED`, `ARCHIVE_ENTRY_REFUSED` (links, devices, paths that lead elsewhere, names twice), `ARCHIVE_TOO_LARGE`, `ARCHIVE_NOT_EMPTY`, `DISK_FULL`.
 * With `only`, other entries are checked like all and not written.
 */
export async function unpackArchive(
  archive: string,
  into: string,
  limits: ArchiveLimits,
  options: UnpackOptions = {},
): Promise<void> {
  // Whatever the umask: a bundle that others could write to would be theirs to change.
  await mkdir(into, { recursive: true, mode: 0o755 });
  if ((await readdir(into)).length > 0)
    throw new AppError('conflict', 'ARCHIVE_NOT_EMPTY', `${into} is not empty; packages are unpacked into a new folder only.`);
  const { size } = await stat(archive);
  const decompress = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LIMIT_LOG } });
  const file = createReadStream(archive);
  const feeding = pipeline(file, decompress, { signal: options.signal }).catch((error: unknown) => {
    decompress.destroy(error as Error);
  });
  const writer = new TreeWriter(into, limits, options);
  try {
    await writer.write(new ByteReader(decompress, () => new TarFault('truncated', 'it ends in the middle')));
    if (decompress.bytesWritten !== size) throw new TarFault('malformed', 'something follows its end');
  } catch (error) {
    options.signal?.throwIfAborted();
    throw archiveFault(error);
  } finally {
    file.destroy();
    decompress.destroy();
    await Promise.allSettled([feeding, writer.settled()]);
  }
}

/** Writes the entries of one archive below a folder. */
class TreeWriter {
  readonly #into: string;
  readonly #limits: ArchiveLimits;
  readonly #options: UnpackOptions;
  readonly #files = new Set<string>();
  readonly #folders = new Set<string>(['']);
  readonly #syncing = new Set<Promise<void>>();
  #syncFailure: { error: unknown } | undefined;
  #bytes = 0;

  constructor(into: string, limits: ArchiveLimits, options: UnpackOptions) {
    this.#into = into;
    this.#limits = { ...limits, fileCount: Math.min(limits.fileCount, ARCHIVE_FILE_COUNT_LIMIT) };
    this.#options = options;
  }

  async write(reader: ByteReader): Promise<void> {
    let last: string | undefined;
    for (;;) {
      this.#options.signal?.throwIfAborted();
      const entry = await readTarHeader((bytes) => reader.take(bytes), last);
      if (entry === undefined) break;
      last = entry.path;
      this.#checkLimits(entry);
      if (this.#options.only?.(entry.path) ?? true) {
        await this.#makeFolders(entry.path);
        await this.#writeFile(entry, reader);
      } else for await (const _ of reader.pieces(entry.bytes)) this.#options.signal?.throwIfAborted();
      const padding = await reader.take(tarPadding(entry.bytes));
      if (padding.some((byte) => byte !== 0)) throw new TarFault('malformed', 'something is hidden between its files');
    }
    if (!(await reader.isAtEnd())) throw new TarFault('malformed', 'something follows its end');
    await this.settled();
    if (this.#syncFailure) throw this.#syncFailure.error;
    for (const folder of this.#folders) await syncFolder(join(this.#into, folder));
    await syncFolder(dirname(this.#into));
  }

  /** Resolves when no file is open any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#syncing);
  }

  #checkLimits(entry: TarEntry): void {
    this.#bytes += entry.bytes;
    this.#files.add(entry.path);
    if (this.#files.size <= this.#limits.fileCount && this.#bytes <= this.#limits.unpackedBytes) return;
    throw new AppError(
      'too-large',
      'ARCHIVE_TOO_LARGE',
      `The package holds more than its manifest says (${this.#limits.fileCount} files, ${this.#limits.unpackedBytes} bytes). It was not unpacked.`,
    );
  }

  async #makeFolders(path: string): Promise<void> {
    const parts = path.split('/').slice(0, -1);
    let folder = '';
    for (const part of parts) {
      folder = folder === '' ? part : `${folder}/${part}`;
      if (this.#files.has(folder)) throw new TarFault('path', `'${printable(folder)}' is a file and a folder`);
      if (this.#folders.has(folder)) continue;
      await mkdir(join(this.#into, folder), { mode: 0o755 });
      this.#folders.add(folder);
    }
  }

  async #writeFile(entry: TarEntry, reader: ByteReader): Promise<void> {
    const handle = await open(join(this.#into, entry.path), 'wx', 0o600);
    try {
      for await (const piece of reader.pieces(entry.bytes)) {
        this.#options.signal?.throwIfAborted();
        await handle.writeFile(piece);
      }
      await handle.chmod(entry.executable ? 0o755 : 0o644);
    } catch (error) {
      await handle.close();
      throw error;
    }
    await this.#syncLater(handle);
    this.#options.onProgress?.(this.#bytes);
  }

  async #syncLater(handle: FileHandle): Promise<void> {
    while (this.#syncing.size >= SYNCS_LIMIT) await Promise.race(this.#syncing);
    const work = syncAndClose(handle)
      .catch((error: unknown) => {
        this.#syncFailure = { error };
      })
      .finally(() => this.#syncing.delete(work));
    this.#syncing.add(work);
  }
}

async function syncAndClose(handle: FileHandle): Promise<void> {
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function* tarOf(files: ArchiveFile[], summary: ArchiveSummary): AsyncGenerator<Uint8Array> {
  let last: string | undefined;
  for (const { path, source, executable } of files) {
    if (path === last) throw new AppError('invalid', 'ARCHIVE_PATH', `'${printable(path)}' is to be packed twice.`);
    last = path;
    const bytes = typeof source === 'string' ? (await stat(source)).size : source.length;
    yield encodeTarHeader({ path, bytes, executable });
    if (typeof source === 'string') yield* unchangedFile(source, bytes);
    else if (bytes > 0) yield source;
    const padding = tarPadding(bytes);
    if (padding > 0) yield TAR_END.subarray(0, padding);
    summary.unpackedBytes += bytes;
  }
  yield TAR_END;
}

async function* unchangedFile(file: string, bytes: number): AsyncGenerator<Uint8Array> {
  let read = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    read += chunk.length;
    if (read > bytes) break;
    yield chunk;
  }
  if (read !== bytes) throw new AppError('conflict', 'ARCHIVE_SOURCE_CHANGED', `${file} changed while it was packed. Try again.`);
}

function archiveFault(error: unknown): unknown {
  if (error instanceof TarFault) {
    if (error.reason === 'truncated') return truncated(error);
    if (error.reason === 'malformed')
      return new AppError('invalid', 'ARCHIVE_MALFORMED', `The package is damaged or was altered: ${error.message}.`, {
        cause: error,
      });
    return new AppError(
      'invalid',
      'ARCHIVE_ENTRY_REFUSED',
      `The package holds something that no package may hold: ${error.message}.`,
      {
        cause: error,
      },
    );
  }
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'Z_BUF_ERROR') return truncated(error);
  if (code.startsWith('ZSTD_') || code.startsWith('Z_'))
    return new AppError(
      'invalid',
      'ARCHIVE_UNREADABLE',
      'The package is damaged: it cannot be decompressed. Download it again.',
      { cause: error },
    );
  return diskFault(error);
}

function truncated(cause: unknown): AppError {
  return new AppError('invalid', 'ARCHIVE_TRUNCATED', 'The package is incomplete: it ends in the middle. Download it again.', {
    cause,
  });
}
