/** Figures of a day by the minute and of a year by the hour, in one file that never grows. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { HEALTH_SERIES, type HealthSeriesName } from '@bascule/protocol/api/health.ts';

export const MINUTE_SLOTS = 24 * 60;
export const HOUR_SLOTS = 366 * 24;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
/** Series that a slot has room for: those to come do not make earlier files unreadable. */
const SERIES_CAPACITY = 32;
const TIME_BYTES = 8;
const VALUE_BYTES = 4;
const CRC_BYTES = 4;
const SLOT_BYTES = TIME_BYTES + SERIES_CAPACITY * VALUE_BYTES + CRC_BYTES;
const MAGIC = Buffer.from('BASCULE-HEALTH/1');
export const RING_BYTES = MAGIC.length + (MINUTE_SLOTS + HOUR_SLOTS) * SLOT_BYTES;

/** What was measured in a minute or an hour; what is absent was not. */
export type Figures = Partial<Record<HealthSeriesName, number>>;

/** Of these an hour shows its worst minute, of all others the mean. */
const WORST: ReadonlySet<HealthSeriesName> = new Set(['baseDelayMs', 'siteDelayMs', 'diskUsedBytes']);

/**
 * The file. Each slot has its time and a checksum: one that a power cut tore, or that is from an earlier turn, counts as not measured. Written without waiting for the
 * disk: a power cut takes the last half minute at most, and a value in a chart is no reason to wake a disk.
 */
export class HealthRing {
  readonly #descriptor: number;
  readonly #bytes: Buffer;

  /** Opens `file`, and makes it anew when it is no ring of ours. Throws what the file system says. */
  constructor(file: string) {
    this.#bytes = Buffer.alloc(RING_BYTES);
    this.#descriptor = openSync(file, 'a+', 0o600);
    closeSync(this.#descriptor);
    this.#descriptor = openSync(file, 'r+');
    const isWhole = fstatSync(this.#descriptor).size === RING_BYTES;
    if (isWhole) readSync(this.#descriptor, this.#bytes, 0, RING_BYTES, 0);
    if (isWhole && this.#bytes.subarray(0, MAGIC.length).equals(MAGIC)) return;
    this.#bytes.fill(0);
    MAGIC.copy(this.#bytes);
    ftruncateSync(this.#descriptor, 0);
    writeSync(this.#descriptor, this.#bytes, 0, RING_BYTES, 0);
  }

  /** Notes the minute that `atMs` is in, and the hour up to it. Throws what the file system says. */
  note(atMs: number, figures: Figures): void {
    const minute = Math.floor(atMs / MINUTE_MS);
    this.#write(MAGIC.length + (minute % MINUTE_SLOTS) * SLOT_BYTES, minute, figures);
    const hour = Math.floor(atMs / HOUR_MS);
    const offset = MAGIC.length + (MINUTE_SLOTS + (hour % HOUR_SLOTS)) * SLOT_BYTES;
    this.#write(offset, hour, joined(this.minutes(hour * HOUR_MS, minute * MINUTE_MS + 1)));
  }

  /** By the minute, from the one that `fromMs` is in until before `toMs`; at most a day. */
  minutes(fromMs: number, toMs: number): (Figures | undefined)[] {
    return this.#read(MAGIC.length, MINUTE_SLOTS, fromMs / MINUTE_MS, toMs / MINUTE_MS);
  }

  /** As `minutes`, by the hour; at most a year. */
  hours(fromMs: number, toMs: number): (Figures | undefined)[] {
    return this.#read(MAGIC.length + MINUTE_SLOTS * SLOT_BYTES, HOUR_SLOTS, fromMs / HOUR_MS, toMs / HOUR_MS);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #write(offset: number, time: number, figures: Figures): void {
    const slot = this.#bytes.subarray(offset, offset + SLOT_BYTES);
    slot.fill(0);
    slot.writeDoubleLE(time, 0);
    for (let index = 0; index < SERIES_CAPACITY; index += 1) {
      const name = HEALTH_SERIES[index];
      slot.writeFloatLE((name === undefined ? undefined : figures[name]) ?? NaN, TIME_BYTES + index * VALUE_BYTES);
    }
    slot.writeUInt32LE(crc32(slot.subarray(0, SLOT_BYTES - CRC_BYTES)), SLOT_BYTES - CRC_BYTES);
    writeSync(this.#descriptor, slot, 0, SLOT_BYTES, offset);
  }

  #read(start: number, slots: number, from: number, to: number): (Figures | undefined)[] {
    const found: (Figures | undefined)[] = [];
    const first = Math.max(Math.floor(from), Math.ceil(to) - slots);
    for (let time = first; time < to; time += 1) found.push(this.#slot(start + (time % slots) * SLOT_BYTES, time));
    return found;
  }

  #slot(offset: number, time: number): Figures | undefined {
    const slot = this.#bytes.subarray(offset, offset + SLOT_BYTES);
    const isSound = slot.readUInt32LE(SLOT_BYTES - CRC_BYTES) === crc32(slot.subarray(0, SLOT_BYTES - CRC_BYTES));
    if (!isSound || slot.readDoubleLE(0) !== time) return undefined;
    const figures: Figures = {};
    for (const [index, name] of HEALTH_SERIES.entries()) {
      const value = slot.readFloatLE(TIME_BYTES + index * VALUE_BYTES);
      if (!Number.isNaN(value)) figures[name] = value;
    }
    return figures;
  }
}

/** Several minutes or hours as one. */
export function joined(parts: readonly (Figures | undefined)[]): Figures {
  const whole: Figures = {};
  for (const name of HEALTH_SERIES) {
    const values = parts.map((part) => part?.[name]).filter((value) => value !== undefined);
    if (values.length === 0) continue;
    whole[name] = WORST.has(name) ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0) / values.length;
  }
  return whole;
}
