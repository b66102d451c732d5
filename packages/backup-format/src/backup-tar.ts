/**
 * The form of tar in a backup (docs/spec/backup-format.md): POSIX pax, regular files alone, each with mode 0600; a `path` record for long names and a `size` record beyond 8 GiB. Unlike the tar
 * of packages it holds files in the order of its parts, of any size, with their times.
 */
import { refused, tooLarge } from './backup-faults.ts';

export const TAR_BLOCK_BYTES = 512;
export const TAR_END_BYTES = 2 * TAR_BLOCK_BYTES;
/** A member's path. */
export const PATH_LIMIT_BYTES = 1000;
const PATH_PART_LIMIT_BYTES = 255;
/** What the fields of a ustar header hold. */
const NAME_FIELD_BYTES = 100;
const SIZE_FIELD_LIMIT = 0o77777777777;
/** Records for one path and one size. */
const EXTENDED_LIMIT_BYTES = 4 * TAR_BLOCK_BYTES;
const MODE = '0000600';

export interface TarMember {
  path: string;
  bytes: number;
  /** Seconds since the epoch. */
  modifiedS: number;
}

/** Relative, with `/`, no empty part, no `.` or `..`, no control character, no backslash, well-formed text. */
export function isMemberPath(path: string): boolean {
  if (path === '' || Buffer.byteLength(path) > PATH_LIMIT_BYTES || /[\p{Cc}\\\u{FFFD}]/u.test(path) || !path.isWellFormed())
    return false;
  return path
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) <= PATH_PART_LIMIT_BYTES);
}

/** A text of unknown origin for an error message. */
export function printable(text: string): string {
  return text.slice(0, 120).replace(/\p{Cc}/gu, '\u{FFFD}');
}

export function tarPadding(bytes: number): number {
  return (TAR_BLOCK_BYTES - (bytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
}

/** The header of one file, with an extended one before it when its path or size needs it. */
export function encodeHeader(member: TarMember): Buffer {
  const { path, bytes, modifiedS } = member;
  if (!isMemberPath(path)) throw refused(`the path '${printable(path)}' is not allowed`);
  const needsPath = Buffer.byteLength(path) > NAME_FIELD_BYTES || /[^\x20-\x7e]/.test(path);
  const needsSize = bytes > SIZE_FIELD_LIMIT;
  const shortName = needsPath ? Buffer.from(path).subarray(0, NAME_FIELD_BYTES).toString('latin1') : path;
  const block = headerBlock(needsPath ? shortName.replace(/[^\x20-\x7e]/g, '_') : path, needsSize ? 0 : bytes, modifiedS, '0');
  if (!needsPath && !needsSize) return block;
  const records = Buffer.from(`${needsPath ? record('path', path) : ''}${needsSize ? record('size', String(bytes)) : ''}`);
  return Buffer.concat([
    headerBlock('PaxHeader', records.length, modifiedS, 'x'),
    records,
    Buffer.alloc(tarPadding(records.length)),
    block,
  ]);
}

/** Reads the next header with `read` (which gives exactly so many bytes, or throws); undefined at the end of the archive. */
export async function readHeader(read: (bytes: number) => Promise<Buffer>): Promise<TarMember | undefined> {
  const block = await read(TAR_BLOCK_BYTES);
  if (isZero(block)) {
    if (isZero(await read(TAR_BLOCK_BYTES))) return undefined;
    throw refused('a block of zeros between its files');
  }
  const first = decodeBlock(block);
  if (first.type !== 'x') return plainFile(first, new Map());
  if (first.bytes === 0 || first.bytes > EXTENDED_LIMIT_BYTES) throw tooLarge('one of its names is too long');
  const body = await read(first.bytes + tarPadding(first.bytes));
  return plainFile(decodeBlock(await read(TAR_BLOCK_BYTES)), parseRecords(body.subarray(0, first.bytes)));
}

interface Block extends TarMember {
  type: string;
}

function plainFile(block: Block, records: Map<string, string>): TarMember {
  const path = records.get('path') ?? block.path;
  if (block.type !== '0' && block.type !== '\0') throw refused(`'${printable(path)}' is not a plain file`);
  if (!isMemberPath(path)) throw refused(`the path '${printable(path)}' is not allowed`);
  const size = records.get('size');
  const bytes = size === undefined ? block.bytes : Number(size);
  if ((size !== undefined && !/^\d{1,16}$/.test(size)) || !Number.isSafeInteger(bytes))
    throw refused(`the size of '${printable(path)}' is none`);
  return { path, bytes, modifiedS: block.modifiedS };
}

function headerBlock(name: string, bytes: number, modifiedS: number, type: string): Buffer {
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  block.write(name, 0, NAME_FIELD_BYTES, 'latin1');
  block.write(`${MODE}\0`, 100, 'latin1');
  block.write(`${octal(0, 7)}\0${octal(0, 7)}\0`, 108, 'latin1');
  block.write(`${octal(bytes, 11)}\0${octal(Math.max(0, Math.min(modifiedS, SIZE_FIELD_LIMIT)), 11)}\0`, 124, 'latin1');
  block.write(' '.repeat(8), 148, 'latin1');
  block.write(type, 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write(`${octal(checksum(block), 6)}\0 `, 148, 'latin1');
  return block;
}

function decodeBlock(block: Buffer): Block {
  const told = block.toString('latin1', 148, 156);
  const blank = Buffer.from(block);
  blank.write(' '.repeat(8), 148, 'latin1');
  if (number(told) !== checksum(blank)) throw refused('a header with a wrong checksum');
  if (block.toString('latin1', 257, 262) !== 'ustar') throw refused('a header of an unknown kind');
  const prefix = text(block, 345, 500);
  const name = text(block, 0, NAME_FIELD_BYTES);
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    bytes: number(block.toString('latin1', 124, 136)),
    modifiedS: number(block.toString('latin1', 136, 148)),
    type: block.toString('latin1', 156, 157),
  };
}

/** `length key=value\n`, of which the length counts itself. */
function record(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function parseRecords(body: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(' ', at);
    const length = Number(body.toString('latin1', at, space));
    const end = at + length;
    if (space === -1 || !Number.isInteger(length) || end <= space || end > body.length || body[end - 1] !== 0x0a)
      throw refused('an extended header that is none');
    const [key = '', ...value] = body.toString('utf8', space + 1, end - 1).split('=');
    if (records.has(key)) throw refused('an extended header that says a thing twice');
    records.set(key, value.join('='));
    at = end;
  }
  return records;
}

function text(block: Buffer, start: number, end: number): string {
  const zero = block.indexOf(0, start);
  return block.toString('latin1', start, zero === -1 || zero > end ? end : zero);
}

function number(field: string): number {
  const digits = field.replace(/[\0 ]+$/, '').trim();
  if (!/^[0-7]{1,12}$/.test(digits)) throw refused('a header with a number that is none');
  return Number.parseInt(digits, 8);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

function checksum(block: Buffer): number {
  let sum = 0;
  for (const byte of block) sum += byte;
  return sum;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}
