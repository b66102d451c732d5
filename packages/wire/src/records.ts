/** The records inside a shell session's streams (wire 5). Runs in browsers and in Node. */
import { WireError } from './frames.ts';

export const OutputRecord = { data: 1, resized: 2, exit: 3, typed: 4 } as const;
export type OutputRecord = (typeof OutputRecord)[keyof typeof OutputRecord];
export const InputRecord = { keys: 1, resize: 2 } as const;
export type InputRecord = (typeof InputRecord)[keyof typeof InputRecord];

export const RECORD_HEADER_BYTES = 5;
export const RECORD_PAYLOAD_MAX_BYTES = 64 * 1024;
const HIGHEST_TYPE = 4;
const COLS_MAX = 1000;
const ROWS_MAX = 500;

/** Encodes one record. `payload` has at most 64 KiB. */
export function encodeRecord(type: OutputRecord | InputRecord, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(RECORD_HEADER_BYTES + payload.length);
  writeRecordHeader(record, 0, type, payload.length);
  record.set(payload, RECORD_HEADER_BYTES);
  return record;
}

/** Writes a record's header into `target`, for those who put the payload there themselves. */
export function writeRecordHeader(target: Uint8Array, at: number, type: OutputRecord | InputRecord, payloadBytes: number): void {
  if (payloadBytes > RECORD_PAYLOAD_MAX_BYTES)
    throw new WireError(`record: ${payloadBytes} bytes are more than ${RECORD_PAYLOAD_MAX_BYTES}`);
  target[at] = type;
  target[at + 1] = payloadBytes >>> 24;
  target[at + 2] = payloadBytes >>> 16;
  target[at + 3] = payloadBytes >>> 8;
  target[at + 4] = payloadBytes;
}

/** RESIZED and RESIZE. */
export function encodeSize(type: typeof OutputRecord.resized, cols: number, rows: number): Uint8Array<ArrayBuffer> {
  return encodeRecord(type, new Uint8Array([cols >>> 8, cols, rows >>> 8, rows]));
}

/** The same limits as `terminalSize` in protocol/text.ts: a terminal of 65,535 columns would take the memory of a machine. Throws WireError. */
export function decodeSize(payload: Uint8Array): { cols: number; rows: number } {
  if (payload.length !== 4) throw new WireError('size: must have 4 bytes');
  const cols = (payload[0]! << 8) | payload[1]!;
  const rows = (payload[2]! << 8) | payload[3]!;
  if (cols < 2 || cols > COLS_MAX) throw new WireError(`cols: ${cols} is not within 2 to ${COLS_MAX}`);
  if (rows < 1 || rows > ROWS_MAX) throw new WireError(`rows: ${rows} is not within 1 to ${ROWS_MAX}`);
  return { cols, rows };
}

/** EXIT: the exit code, -1 when killed, and the signal's number, 0 when none. */
export function encodeExit(code: number, signal: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(5);
  new DataView(payload.buffer).setInt32(0, code);
  payload[4] = signal;
  return encodeRecord(OutputRecord.exit, payload);
}

export function decodeExit(payload: Uint8Array): { code: number; signal: number } {
  if (payload.length !== 5) throw new WireError('exit: must have 5 bytes');
  return { code: new DataView(payload.buffer, payload.byteOffset).getInt32(0), signal: payload[4]! };
}

/**
 * Cuts a stream into records. Its state lives as long as the stream, through every reconnect; bytes may come in any pieces. Payloads given to `onRecord`
 * are views that hold only until it returns.
 */
export class RecordParser {
  readonly #onRecord: (type: number, payload: Uint8Array) => void;
  /** The record that is not whole yet: its bytes so far. */
  #partial: Uint8Array | undefined;
  #partialBytes = 0;
  #offset: number;
  #boundary: number;

  /** `offset`: where in the stream the first byte stands; it must be a record boundary. */
  constructor(onRecord: (type: number, payload: Uint8Array) => void, offset = 0) {
    this.#onRecord = onRecord;
    this.#offset = offset;
    this.#boundary = offset;
  }

  /** Where the parser stands, for a parser that begins at the boundary and is pushed the rest: the last boundary, and the bytes behind it. */
  get state(): { boundary: number; partial: Uint8Array } {
    return { boundary: this.#boundary, partial: this.#partial?.slice(0, this.#partialBytes) ?? new Uint8Array() };
  }

  /** The position behind the last byte taken. */
  get offset(): number {
    return this.#offset;
  }

  /** The position behind the last whole record. */
  get boundary(): number {
    return this.#boundary;
  }

  /** Takes the next bytes. Throws WireError on a record that is unknown or too long (wire 5.3). */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      at += this.#partial ? this.#fill(bytes, at) : this.#whole(bytes, at);
    }
    this.#offset += bytes.length;
  }

  /** The fast way: the record lies whole in `bytes`. Otherwise its beginning is kept. */
  #whole(bytes: Uint8Array, at: number): number {
    const available = bytes.length - at;
    if (available >= RECORD_HEADER_BYTES) {
      const length = payloadLength(bytes, at);
      const total = RECORD_HEADER_BYTES + length;
      if (available >= total) {
        this.#emit(bytes.subarray(at, at + total));
        return total;
      }
    }
    this.#partial = new Uint8Array(RECORD_HEADER_BYTES + (available >= RECORD_HEADER_BYTES ? payloadLength(bytes, at) : 0));
    this.#partialBytes = 0;
    return this.#fill(bytes, at);
  }

  #fill(bytes: Uint8Array, at: number): number {
    let partial = this.#partial!;
    const taken = Math.min(partial.length - this.#partialBytes, bytes.length - at);
    partial.set(bytes.subarray(at, at + taken), this.#partialBytes);
    this.#partialBytes += taken;
    if (this.#partialBytes < partial.length) return taken;
    const total = RECORD_HEADER_BYTES + payloadLength(partial, 0);
    if (total > partial.length) {
      const larger = new Uint8Array(total);
      larger.set(partial);
      this.#partial = partial = larger;
      return taken;
    }
    this.#partial = undefined;
    this.#emit(partial);
    return taken;
  }

  #emit(record: Uint8Array): void {
    this.#boundary += record.length;
    this.#onRecord(record[0]!, record.subarray(RECORD_HEADER_BYTES));
  }
}

function payloadLength(bytes: Uint8Array, at: number): number {
  const type = bytes[at]!;
  if (type < 1 || type > HIGHEST_TYPE) throw new WireError(`record type: ${type} is unknown`);
  const length = bytes[at + 1]! * 2 ** 24 + ((bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!);
  if (length > RECORD_PAYLOAD_MAX_BYTES) throw new WireError(`record length: ${length} is more than ${RECORD_PAYLOAD_MAX_BYTES}`);
  return length;
}
