/** The recording file `bascule-recording/1` (wire 6): magic, frames, chained hash. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { recordingHeader, type RecordingHeader } from '@bascule/protocol/relay-control.ts';
import { byteCount, instantMs } from '@bascule/protocol/text.ts';
import { endReasons } from '@bascule/protocol/end-reason.ts';
import { getUint53, setUint53 } from '@bascule/wire/frames.ts';

export const RECORDING_MAGIC = Buffer.from('BASCREC1', 'latin1');
export const RECORDING_EXTENSION = '.bsr';
/** A frame longer than this is none (wire 6.7). */
export const RECORDING_FRAME_MAX_BYTES = 1024 * 1024;
export const HASH_BYTES = 32;
const LENGTH_BYTES = 4;
const OUTPUT_HEAD_BYTES = 16;
export const NO_HASH = Buffer.alloc(HASH_BYTES);

export const FrameKind = { header: 1, output: 2, resumed: 3, end: 4, gap: 5 } as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

export const recordingEnd = z.object({
  reason: z.enum(endReasons),
  exitCode: z.number().int().nullable(),
  endedAtMs: instantMs,
  outBytes: byteCount,
  inBytes: byteCount.optional(),
  /** Of `outBytes`: how many are in gaps. Absent: none. */
  gapBytes: byteCount.optional(),
});
export type RecordingEnd = z.infer<typeof recordingEnd>;
export const recordingResumed = z.object({ atMs: instantMs, reason: z.string() });
export type RecordingResumed = z.infer<typeof recordingResumed>;
/** Output that no appliance and no client has any more: the stream goes on at `to`, with a whole record (wire 6.9). */
export const recordingGap = z
  .object({ from: byteCount, to: byteCount, atMs: instantMs, reason: z.string() })
  .refine(({ from, to }) => to > from, { path: ['to'] });
export type RecordingGap = z.infer<typeof recordingGap>;

export type RecordingFrame =
  | { kind: 'header'; header: RecordingHeader }
  | { kind: 'output'; offset: number; timeUs: number; bytes: Uint8Array }
  | { kind: 'resumed'; resumed: RecordingResumed }
  | { kind: 'gap'; gap: RecordingGap }
  | { kind: 'end'; end: RecordingEnd };

/** A recording that breaks its format at `position` (bytes from the start of the file). */
export class RecordingError extends Error {
  override name = 'RecordingError';
  readonly position: number;
  constructor(message: string, position: number) {
    super(`${message} (at byte ${position})`);
    this.position = position;
  }
}

/** Encodes a frame: what comes before the body's bytes, the body itself uncopied, and the hash behind it. */
export function encodeFrame(
  kind: FrameKind,
  head: Uint8Array,
  body: readonly Uint8Array[],
  previousHash: Uint8Array,
): { parts: Uint8Array[]; hash: Buffer; bytes: number } {
  const bodyBytes = body.reduce((sum, part) => sum + part.length, 0);
  const start = Buffer.allocUnsafe(LENGTH_BYTES + 1 + head.length);
  start.writeUInt32BE(1 + head.length + bodyBytes, 0);
  start[LENGTH_BYTES] = kind;
  start.set(head, LENGTH_BYTES + 1);
  const hasher = createHash('sha256').update(previousHash).update(start);
  for (const part of body) hasher.update(part);
  const hash = hasher.digest();
  return { parts: [start, ...body, hash], hash, bytes: start.length + bodyBytes + HASH_BYTES };
}

/** The head of an OUTPUT frame's body: offset and time. */
export function outputHead(offset: number, timeUs: number): Uint8Array {
  const head = new Uint8Array(OUTPUT_HEAD_BYTES);
  const view = new DataView(head.buffer);
  setUint53(view, 0, offset);
  setUint53(view, 8, timeUs);
  return head;
}

/** Decodes a frame's body. Throws RecordingError. */
export function decodeBody(kind: number, body: Uint8Array, position: number): RecordingFrame {
  switch (kind) {
    case FrameKind.header:
      return { kind: 'header', header: parseJson(recordingHeader, body, position) };
    case FrameKind.resumed:
      return { kind: 'resumed', resumed: parseJson(recordingResumed, body, position) };
    case FrameKind.end:
      return { kind: 'end', end: parseJson(recordingEnd, body, position) };
    case FrameKind.gap:
      return { kind: 'gap', gap: parseJson(recordingGap, body, position) };
    case FrameKind.output: {
      if (body.length < OUTPUT_HEAD_BYTES) throw new RecordingError('an output frame is too short', position);
      const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
      try {
        return {
          kind: 'output',
          offset: getUint53(view, 0, 'offset'),
          timeUs: getUint53(view, 8, 'time'),
          bytes: body.subarray(OUTPUT_HEAD_BYTES),
        };
      } catch (error) {
        throw new RecordingError((error as Error).message, position);
      }
    }
    default:
      throw new RecordingError(`the frame type ${kind} is unknown`, position);
  }
}

function parseJson<T>(schema: z.ZodType<T>, body: Uint8Array, position: number): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new RecordingError('a frame holds no JSON', position);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success)
    throw new RecordingError(`a frame's field ${parsed.error.issues[0]?.path.join('.') ?? ''} is wrong`, position);
  return parsed.data;
}
