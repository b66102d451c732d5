/** One gzip stream (RFC 1952) of parts that were compressed apart: what is large is compressed once, and the rest when it is asked for. */
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, type ZlibOptions } from 'node:zlib';

const compress = promisify(
  deflateRaw as (bytes: Uint8Array, options: ZlibOptions, done: (error: Error | null, result: Buffer) => void) => void,
);

/** How every part is compressed: it ends at a byte, refers to nothing before it, and is not the last one. */
export const SEGMENT_OPTIONS = { level: 6, finishFlush: constants.Z_FULL_FLUSH } as const;
/** No time, no name; made on Unix. */
const GZIP_HEADER = Buffer.from('1f8b0800000000000003', 'hex');
/** An empty block that is the last. */
const LAST_BLOCK = Buffer.from('0300', 'hex');
const CRC_POLYNOMIAL = 0xedb88320;

/** What is known of a part before it is compressed. */
export interface Checked {
  bytes: number;
  crc32: number;
}

export async function compressSegment(bytes: Uint8Array): Promise<Buffer> {
  return await compress(bytes, SEGMENT_OPTIONS);
}

export function checkOf(bytes: Uint8Array): Checked {
  return { bytes: bytes.length, crc32: crc32(bytes) };
}

export function gzipHead(): Buffer {
  return GZIP_HEADER;
}

/** What ends the stream of these parts. */
export function gzipTail(parts: readonly Checked[]): Buffer {
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(parts.reduce((crc, part) => combinedCrc32(crc, part), 0));
  tail.writeUInt32LE(parts.reduce((sum, { bytes }) => sum + bytes, 0) % 2 ** 32, 4);
  return Buffer.concat([LAST_BLOCK, tail]);
}

/** The CRC-32 of two parts in a row, from that of each: what zlib's `crc32_combine` does. As many zeros as the second part is long are appended to the first by squaring. */
export function combinedCrc32(first: number, second: Checked): number {
  let crc = first;
  // The operator for one zero bit; squared three times it is that for one zero byte.
  let operator = Array.from({ length: 32 }, (_, bit) => (bit === 0 ? CRC_POLYNOMIAL : 2 ** (bit - 1)));
  for (let doubling = 0; doubling < 3; doubling += 1) operator = operator.map((row) => times(operator, row));
  for (let left = second.bytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) crc = times(operator, crc);
    operator = operator.map((row) => times(operator, row));
  }
  return (crc ^ second.crc32) >>> 0;
}

function times(operator: readonly number[], vector: number): number {
  let sum = 0;
  for (let bit = 0, rest = vector >>> 0; rest !== 0; bit += 1, rest >>>= 1) if (rest & 1) sum ^= operator[bit] ?? 0;
  return sum >>> 0;
}
