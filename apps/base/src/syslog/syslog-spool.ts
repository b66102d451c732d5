/** Messages that wait, on disk: a list of files of limited size, of which the oldest goes when there are too many. */
import {
  closeSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { syncFolderSync } from '@bascule/core/durable-file.ts';
import { syslogRecord, type SyslogRecord } from './syslog-message.ts';

export const SEGMENT_MAX_BYTES = 1024 * 1024;
export const SPOOL_MAX_BYTES = 64 * 1024 * 1024;
const NAME = /^(\d{15})\.jsonl$/;

interface Segment {
  /** The number of its first message; the next segment begins where it ends. */
  first: number;
  count: number;
  bytes: number;
}

export interface NumberedRecord {
  number: number;
  record: SyslogRecord;
}

/** The messages, numbered from 1 on for as long as the folder lives. One program has it open. */
export class SyslogSpool {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #segmentBytes: number;
  readonly #segments: Segment[];
  #descriptor: number | undefined;
  /** The segment that was read last: several destinations read the same. */
  #read: { first: number; records: SyslogRecord[] } | undefined;

  /** Opens `folder`, and makes it; a line that a power cut tore is cut off. Throws what the file system says. */
  constructor(folder: string, limits: { maxBytes?: number; segmentBytes?: number } = {}) {
    this.#folder = folder;
    this.#maxBytes = limits.maxBytes ?? SPOOL_MAX_BYTES;
    this.#segmentBytes = limits.segmentBytes ?? SEGMENT_MAX_BYTES;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const names = readdirSync(folder).filter((name) => NAME.test(name));
    this.#segments = names.toSorted().map((name) => this.#look(name));
  }

  /** Of the oldest message that is still here; `next` when there is none. */
  get first(): number {
    return this.#segments[0]?.first ?? 1;
  }

  /** The number that the next message gets. */
  get next(): number {
    const last = this.#segments.at(-1);
    return last === undefined ? 1 : last.first + last.count;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** Adds messages; they are on disk when it returns. The oldest make room. Throws what the file system says (a full disk): then none is added. */
  append(records: readonly SyslogRecord[]): void {
    if (records.length === 0) return;
    const last = this.#segments.at(-1);
    const segment = last === undefined || last.bytes >= this.#segmentBytes ? this.#begin() : last;
    this.#descriptor ??= openSync(this.#pathOf(segment), 'a');
    const text = Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    try {
      for (let written = 0; written < text.length;) written += writeSync(this.#descriptor, text, written);
      fdatasyncSync(this.#descriptor);
    } catch (error) {
      truncateSync(this.#pathOf(segment), segment.bytes);
      throw error;
    }
    segment.bytes += text.length;
    segment.count += records.length;
    if (this.#read?.first === segment.first) this.#read.records.push(...records);
    while (this.bytes > this.#maxBytes && this.#segments.length > 1) this.#removeOldest();
  }

  /** Messages from `number` on, oldest first; fewer than `limit` at the end of a file. */
  from(number: number, limit: number): NumberedRecord[] {
    const segment = this.#segments.find(({ first, count }) => number < first + count);
    if (segment === undefined) return [];
    const start = Math.max(number, segment.first);
    const records = this.#recordsOf(segment).slice(start - segment.first, start - segment.first + limit);
    return records.map((record, index) => ({ number: start + index, record }));
  }

  /** Removes files that hold only messages below `number`; the last one stays, so that numbers go on. */
  removeBelow(number: number): void {
    for (let oldest = this.#segments[0]; oldest !== undefined && this.#segments.length > 1; oldest = this.#segments[0]) {
      if (oldest.first + oldest.count > number) return;
      this.#removeOldest();
    }
  }

  /** Where each source was after its newest message here. */
  positions(): Map<SyslogRecord['source'], NonNullable<SyslogRecord['position']>> {
    const found = new Map<SyslogRecord['source'], NonNullable<SyslogRecord['position']>>();
    for (const segment of this.#segments)
      for (const { source, position } of this.#recordsOf(segment)) if (position !== undefined) found.set(source, position);
    return found;
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #begin(): Segment {
    this.close();
    const segment = { first: this.next, count: 0, bytes: 0 };
    this.#descriptor = openSync(this.#pathOf(segment), 'ax', 0o600);
    syncFolderSync(this.#folder);
    this.#segments.push(segment);
    return segment;
  }

  #removeOldest(): void {
    const oldest = this.#segments.shift();
    if (oldest === undefined) return;
    if (this.#read?.first === oldest.first) this.#read = undefined;
    rmSync(this.#pathOf(oldest), { force: true });
  }

  #recordsOf({ first, bytes }: Segment): SyslogRecord[] {
    if (this.#read?.first !== first) {
      const text = readFileSync(this.#pathOf({ first })).subarray(0, bytes).toString('utf8');
      this.#read = { first, records: lines(text).map((line) => syslogRecord.parse(JSON.parse(line))) };
    }
    return this.#read.records;
  }

  #look(name: string): Segment {
    const first = Number(NAME.exec(name)?.[1]);
    const path = join(this.#folder, name);
    const content = readFileSync(path);
    const sound: string[] = [];
    for (const line of lines(content.toString('utf8'))) {
      if (!syslogRecord.safeParse(parsed(line)).success) break;
      sound.push(line);
    }
    const bytes = sound.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
    if (bytes < content.length) truncateSync(path, bytes);
    return { first, count: sound.length, bytes };
  }

  #pathOf({ first }: Pick<Segment, 'first'>): string {
    return join(this.#folder, `${String(first).padStart(15, '0')}.jsonl`);
  }
}

/** Whole lines alone. */
function lines(text: string): string[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1);
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
