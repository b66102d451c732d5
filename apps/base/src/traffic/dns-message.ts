/** DNS messages as far as an update needs them (RFC 1035, 4; RFC 2136; RFC 6891; RFC 8914): written here, read here, trusted nowhere. */
import { isIPv4 } from 'node:net';
import { domainToASCII } from 'node:url';
import { AppError } from '@bascule/errors/app-error.ts';

export const TYPE = { A: 1, SOA: 6, AAAA: 28, OPT: 41, TSIG: 250, ANY: 255 } as const;
export const CLASS = { IN: 1, NONE: 254, ANY: 255 } as const;
export const OPCODE = { query: 0, update: 5 } as const;
export const HEADER_BYTES = 12;
export const MESSAGE_MAX_BYTES = 65_535;
/** What an answer by UDP may have (RFC 9715). */
const UDP_ANSWER_BYTES = 1_232;
const LABEL_MAX_BYTES = 63;
const NAME_MAX_BYTES = 255;
const POINTER = 0xc0;
const RECORDS_MAX = 512;
const EXTENDED_ERROR = 15;
const EXTENDED_TEXT_MAX_CHARACTERS = 300;

export interface DnsRecord {
  name: string;
  type: number;
  class: number;
  ttlSeconds: number;
  data: Buffer;
}

export interface Message {
  id: number;
  isAnswer: boolean;
  opcode: number;
  isTruncated: boolean;
  rcode: number;
  /** Of the sections behind the question: answer (prerequisites), authority (updates), additional. */
  answers: DnsRecord[];
  authority: DnsRecord[];
  additional: DnsRecord[];
  /** Where the last record begins: what a TSIG signs ends there. */
  lastRecordAt: number;
  /** RFC 8914: what else the server says about an error. */
  extendedError: { code: number; text: string } | undefined;
}

/** The wire form of a name in lower case, uncompressed. Throws `DNS_NAME_INVALID`. */
export function encodeName(name: string): Buffer {
  const plain = name.replace(/\.$/, '');
  // Underscores and digits pass; other scripts become their ASCII form.
  const ascii = /^[\x21-\x7e]*$/.test(plain) ? plain.toLowerCase() : domainToASCII(plain);
  const labels = ascii === '' ? [] : ascii.split('.');
  const isSound = labels.every((label) => /^[a-z0-9_*]([a-z0-9_-]*[a-z0-9_])?$/.test(label) && label.length <= LABEL_MAX_BYTES);
  const wire = Buffer.concat([
    ...labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1')),
    Buffer.of(0),
  ]);
  if (!isSound || labels.length === 0 || wire.length > NAME_MAX_BYTES)
    throw new AppError('invalid', 'DNS_NAME_INVALID', `'${name.slice(0, 100)}' is not a DNS name.`, { params: { name } });
  return wire;
}

/** The four or sixteen bytes of an address, for a record of `addressType`. */
export function addressData(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const words = (text: string): number[] =>
    text === '' ? [] : text.split(':').flatMap((word) => (word.includes('.') ? pairs(word) : [Number.parseInt(word, 16)]));
  const before = words(head);
  const after = words(tail ?? '');
  const all = [...before, ...Array<number>(Math.max(0, 8 - before.length - after.length)).fill(0), ...after];
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

function pairs(address: string): number[] {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return [a * 256 + b, c * 256 + d];
}

export function addressType(address: string): number {
  return isIPv4(address) ? TYPE.A : TYPE.AAAA;
}

/** The text of an A or AAAA record's data, for people. */
export function addressText(data: Buffer): string {
  if (data.length === 4) return [...data].join('.');
  const words = Array.from({ length: 8 }, (_, at) => data.readUInt16BE(at * 2).toString(16));
  return new URL(`http://[${words.join(':')}]/`).hostname.slice(1, -1);
}

interface Draft {
  id: number;
  opcode: number;
  question: { name: string; type: number };
  answers?: DnsRecord[];
  authority?: DnsRecord[];
}

/** A message with the room for extended errors (EDNS0) as its last record; `signed` of dns-tsig.ts puts the signature behind it. */
export function encodeMessage({ id, opcode, question, answers = [], authority = [] }: Draft): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(opcode << 11, 2);
  for (const [at, count] of [1, answers.length, authority.length, 1].entries()) header.writeUInt16BE(count, 4 + at * 2);
  const asked = Buffer.concat([encodeName(question.name), numbers16(question.type, CLASS.IN)]);
  const edns = Buffer.concat([Buffer.of(0), numbers16(TYPE.OPT, UDP_ANSWER_BYTES), Buffer.alloc(6)]);
  return Buffer.concat([header, asked, ...answers.map(encodeRecord), ...authority.map(encodeRecord), edns]);
}

export function encodeRecord(record: DnsRecord): Buffer {
  const ttl = Buffer.alloc(4);
  ttl.writeUInt32BE(record.ttlSeconds);
  return Buffer.concat([
    encodeName(record.name),
    numbers16(record.type, record.class),
    ttl,
    numbers16(record.data.length),
    record.data,
  ]);
}

export function numbers16(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [at, value] of values.entries()) bytes.writeUInt16BE(value, at * 2);
  return bytes;
}

/** Reads a message; undefined for what is none. Never reads beyond `bytes`, and follows no pointer forwards. */
export function decodeMessage(bytes: Buffer): Message | undefined {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function decode(bytes: Buffer): Message {
  const flags = bytes.readUInt16BE(2);
  const counts = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at)) as [number, number, number, number];
  let at = HEADER_BYTES;
  for (let left = counts[0]; left > 0; left--) at = readName(bytes, at).end + 4;
  if (counts[1] + counts[2] + counts[3] > RECORDS_MAX) throw new RangeError('too many records');
  let lastRecordAt = at;
  const section = (count: number): DnsRecord[] =>
    Array.from({ length: count }, () => {
      lastRecordAt = at;
      const { record, end } = readRecord(bytes, at);
      at = end;
      return record;
    });
  const [answers, authority, additional] = [section(counts[1]), section(counts[2]), section(counts[3])];
  if (at !== bytes.length) throw new RangeError('bytes behind the message');
  const edns = additional.find(({ type }) => type === TYPE.OPT);
  return {
    id: bytes.readUInt16BE(0),
    isAnswer: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 0xf,
    isTruncated: (flags & 0x0200) !== 0,
    // The upper bits are in EDNS0 (RFC 6891, 6.1.3).
    rcode: (flags & 0xf) | (edns === undefined ? 0 : Math.floor(edns.ttlSeconds / 2 ** 24) << 4),
    answers,
    authority,
    additional,
    lastRecordAt,
    extendedError: edns && extendedErrorIn(edns.data),
  };
}

function readRecord(bytes: Buffer, start: number): { record: DnsRecord; end: number } {
  const { name, end: at } = readName(bytes, start);
  const end = at + 10 + bytes.readUInt16BE(at + 8);
  if (end > bytes.length) throw new RangeError('a record is cut');
  const record = {
    name,
    type: bytes.readUInt16BE(at),
    class: bytes.readUInt16BE(at + 2),
    ttlSeconds: bytes.readUInt32BE(at + 4),
    data: bytes.subarray(at + 10, end),
  };
  return { record, end };
}

/** A name in lower case without the last dot, and where it ends. Throws `RangeError`. */
export function readName(bytes: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  let end: number | undefined;
  let earliest = start;
  for (let length = 0; ;) {
    const first = bytes.readUInt8(at);
    if ((first & POINTER) === POINTER) {
      end ??= at + 2;
      const target = bytes.readUInt16BE(at) & 0x3fff;
      // Backwards only: so it ends.
      if (target >= earliest) throw new RangeError('a name points forwards');
      earliest = target;
      at = target;
      continue;
    }
    if ((first & POINTER) !== 0) throw new RangeError('a label of an unknown kind');
    length += first + 1;
    if (length > NAME_MAX_BYTES || at + 1 + first > bytes.length) throw new RangeError('a name is too long');
    if (first === 0) return { name: labels.join('.'), end: end ?? at + 1 };
    labels.push(bytes.toString('latin1', at + 1, at + 1 + first).toLowerCase());
    at += 1 + first;
  }
}

function extendedErrorIn(options: Buffer): Message['extendedError'] {
  for (let at = 0; at + 4 <= options.length;) {
    const code = options.readUInt16BE(at);
    const end = at + 4 + options.readUInt16BE(at + 2);
    if (end > options.length) return undefined;
    if (code === EXTENDED_ERROR && end >= at + 6) {
      const text = options
        .toString('utf8', at + 6, end)
        .replace(/[\p{Cc}\p{Bidi_Control}\0]/gu, ' ')
        .trim();
      return { code: options.readUInt16BE(at + 4), text: text.slice(0, EXTENDED_TEXT_MAX_CHARACTERS) };
    }
    at = end;
  }
  return undefined;
}
