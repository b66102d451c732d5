/** Tar archives that are put together while they are sent: what is large and the same for everybody is compressed once and lies in files. */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { checkOf, compressSegment, gzipHead, gzipTail, type Checked } from './gzip-segments.ts';

const BLOCK_BYTES = 512;
const NAME_LIMIT_BYTES = 100;
const SIZE_LIMIT_BYTES = 0o77777777777;
/** What every entry bears, so that the same content gives the same archive: 2026-01-01. Zero would be told by tar as implausibly old. */
const TIME_S = 1_767_225_600;

/** A large file as it lies on disk, and compressed as a part of a gzip stream. */
export interface StoredContent extends Checked {
  file: string;
  deflatedFile: string;
  deflatedBytes: number;
}

/** One entry of an archive. Folders end with `/` and have no content. */
export interface TarEntry {
  /** At most 100 bytes. */
  path: string;
  mode: number;
  content: Uint8Array | StoredContent | { link: string } | 'folder';
}

/** A part of a file to be sent: bytes, or the first `bytes` of a file. */
export type Piece = Uint8Array | { file: string; bytes: number };

/** The bytes of all pieces together. */
export function sizeOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece) => sum + (piece instanceof Uint8Array ? piece.length : piece.bytes), 0);
}

/** The pieces one after the other. */
export function streamOf(pieces: readonly Piece[]): Readable {
  return Readable.from(
    (async function* () {
      for (const piece of pieces) {
        if (piece instanceof Uint8Array) yield piece;
        else if (piece.bytes > 0) yield* createReadStream(piece.file, { end: piece.bytes - 1 });
      }
    })(),
    { objectMode: false },
  );
}

/** The archive, uncompressed. */
export function tarPieces(entries: readonly TarEntry[]): Piece[] {
  return segmentsOf(entries).map((segment) =>
    segment instanceof Uint8Array ? segment : { file: segment.file, bytes: segment.bytes },
  );
}

/** The archive as one gzip stream: stored contents come as they lie there, and only the rest is compressed now. */
export async function tarGzPieces(entries: readonly TarEntry[]): Promise<Piece[]> {
  const segments = segmentsOf(entries);
  const compressed = await Promise.all(
    segments.map(async (segment) =>
      segment instanceof Uint8Array
        ? await compressSegment(segment)
        : { file: segment.deflatedFile, bytes: segment.deflatedBytes },
    ),
  );
  const checks = segments.map((segment) => (segment instanceof Uint8Array ? checkOf(segment) : segment));
  return [gzipHead(), ...compressed, gzipTail(checks)];
}

/** Bytes and stored contents in turn, the end of the archive included. */
function segmentsOf(entries: readonly TarEntry[]): (Uint8Array | StoredContent)[] {
  const segments: (Uint8Array | StoredContent)[] = [];
  let pending: Uint8Array[] = [];
  for (const entry of entries) {
    const { content } = entry;
    pending.push(tarHeader(entry));
    if (content instanceof Uint8Array) pending.push(content, padding(content.length));
    else if (typeof content === 'object' && 'file' in content) {
      segments.push(Buffer.concat(pending), content);
      pending = [padding(content.bytes)];
    }
  }
  pending.push(Buffer.alloc(2 * BLOCK_BYTES));
  return [...segments, Buffer.concat(pending)];
}

function padding(bytes: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES);
}

/** A ustar header (POSIX.1-1988): root's, with one time for all. */
function tarHeader({ path, mode, content }: TarEntry): Buffer {
  const size =
    content instanceof Uint8Array ? content.length : typeof content === 'object' && 'bytes' in content ? content.bytes : 0;
  const link = typeof content === 'object' && 'link' in content ? content.link : '';
  for (const name of [path, link])
    if (Buffer.byteLength(name) > NAME_LIMIT_BYTES) throw new Error(`bug: the name ${name} is too long for an archive`);
  if (size > SIZE_LIMIT_BYTES) throw new Error(`bug: ${path} is too large for an archive`);
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(path, 0);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(TIME_S, 11), 136);
  block.write('        ', 148);
  block.write(content === 'folder' ? '5' : link === '' ? '0' : '2', 156);
  block.write(link, 157);
  block.write('ustar\x0000', 257);
  block.write('root', 265);
  block.write('root', 297);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
