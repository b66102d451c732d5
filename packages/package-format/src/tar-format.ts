/**
 * The one form of tar that packages and bundles use (package-format 2.2): regular files only, in ascending order, times and owners zero. A header is accepted
 * only when it is byte for byte the one that we write, so that no two readers can disagree about what an archive holds.
 */
import { Header, Pax } from 'tar';
import { AppError } from '@bascule/errors/app-error.ts';

export const TAR_BLOCK_BYTES = 512;
/** Two blocks of zeros end an archive; nothing follows. */
export const TAR_END = Buffer.alloc(2 * TAR_BLOCK_BYTES);
/** The size field of a header holds 11 octal digits. */
export const TAR_ENTRY_LIMIT_BYTES = 8_589_934_591;
const PATH_LIMIT_BYTES = 1000;
const PATH_PART_LIMIT_BYTES = 255;
/** A record with one path of at most PATH_LIMIT_BYTES. */
const EXTENDED_LIMIT_BYTES = 2 * TAR_BLOCK_BYTES;

export interface TarEntry {
  path: string;
  bytes: number;
  executable: boolean;
}

/** What is wrong with an archive: `archive.ts` and `bundle-file.ts` say it in their own words. */
export class TarFault extends Error {
  override name = 'TarFault';
  readonly reason: 'truncated' | 'malformed' | 'path' | 'type' | 'order';
  constructor(reason: TarFault['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** The header of one file, with an extended header before it when its path is long. */
export function encodeTarHeader(entry: TarEntry): Buffer {
  if (!isSafePath(entry.path) || entry.bytes > TAR_ENTRY_LIMIT_BYTES)
    throw new AppError(
      'invalid',
      'ARCHIVE_PATH',
      `'${printable(entry.path)}' cannot be packed: its path or size is not allowed.`,
    );
  const fields = { mode: entry.executable ? 0o755 : 0o644, uid: 0, gid: 0, size: entry.bytes, mtime: new Date(0) };
  const header = new Header({ ...fields, path: entry.path, type: 'File', uname: '', gname: '', devmaj: 0, devmin: 0 } as never);
  const isLong = header.encode();
  const block = header.block as Buffer;
  if (!isLong) return block;
  return Buffer.concat([new Pax({ path: entry.path, mtime: undefined, uid: 0, gid: 0 } as never).encode(), block]);
}

/** How many zeros follow a file of `bytes`. */
export function tarPadding(bytes: number): number {
  return (TAR_BLOCK_BYTES - (bytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
}

/**
 * Reads the next header with `read` (which gives exactly as many bytes as it is asked for, or throws a `TarFault`); undefined at the end of the archive.
 * `after` is the path of the entry before: paths ascend, so none comes twice.
 */
export async function readTarHeader(
  read: (bytes: number) => Promise<Buffer>,
  after: string | undefined,
): Promise<TarEntry | undefined> {
  let raw = await read(TAR_BLOCK_BYTES);
  if (isZero(raw)) {
    if (isZero(await read(TAR_BLOCK_BYTES))) return undefined;
    throw new TarFault('malformed', 'a block of zeros in the middle');
  }
  let header = decode(raw);
  if (header.type === 'ExtendedHeader') {
    const bytes = header.size ?? 0;
    if (bytes === 0 || bytes > EXTENDED_LIMIT_BYTES) throw new TarFault('malformed', 'an extended header that is too long');
    const body = await read(bytes + tarPadding(bytes));
    const block = await read(TAR_BLOCK_BYTES);
    header = decode(block);
    header.path = Pax.parse(body.subarray(0, bytes).toString('utf8')).path;
    raw = Buffer.concat([raw, body, block]);
  }
  const path = header.path ?? '';
  if (header.type !== 'File') throw new TarFault('type', `'${printable(path)}' is a ${header.type}, not a file`);
  if (!isSafePath(path)) throw new TarFault('path', `the path '${printable(path)}' is not allowed`);
  const entry = { path, bytes: header.size ?? -1, executable: header.mode === 0o755 };
  if (entry.bytes < 0 || entry.bytes > TAR_ENTRY_LIMIT_BYTES || !encodeTarHeader(entry).equals(raw))
    throw new TarFault('malformed', `the header of '${printable(path)}' is not as Bascule writes it`);
  if (after !== undefined && compareBytes(after, path) >= 0)
    throw new TarFault('order', `'${printable(path)}' comes twice or out of order`);
  return entry;
}

/** Order of paths in an archive: that of their UTF-8 bytes. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Relative, with `/`, no empty part, no `.` or `..`, no control character, no backslash, well-formed text. */
export function isSafePath(path: string): boolean {
  if (path === '' || Buffer.byteLength(path) > PATH_LIMIT_BYTES || /[\p{Cc}\\\u{FFFD}]/u.test(path) || !path.isWellFormed())
    return false;
  return path
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) <= PATH_PART_LIMIT_BYTES);
}

/** A text of unknown origin for an error message: short, without control characters. */
export function printable(text: string): string {
  return text.slice(0, 120).replace(/\p{Cc}/gu, '\u{FFFD}');
}

function decode(block: Buffer): Header {
  let header: Header;
  try {
    header = new Header(block);
  } catch {
    throw new TarFault('malformed', 'a header with a number that is none');
  }
  if (!header.cksumValid) throw new TarFault('malformed', 'a header with a wrong checksum');
  return header;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}
