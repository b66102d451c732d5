/** Finding out where a writer left its file (wire 6.5). */
import type { FileHandle } from 'node:fs/promises';
import type { RecordingHeader } from '@bascule/protocol/relay-control.ts';
import type { readCheckpoint } from './checkpoint.ts';
import { NO_HASH, RecordingError, type RecordingEnd } from './format.ts';
import { readFramesFrom, type FrameBoundary } from './reader.ts';

/**
 * A power cut may leave behind the last durable byte any mixture of written and unwritten pages of the batch under way; so a broken frame this close to the end of the
 * file is a torn tail. Nothing of it was ever acknowledged. Further away it is damage, which no writer repairs by cutting.
 */
export const TORN_TAIL_MAX_BYTES = 16 * 1024 * 1024;
/** One place of the file is remembered for so many bytes of output, for those who read along. */
const INDEX_EVERY_BYTES = 1024 * 1024;
/** The message of a file that broke off before its header was durable: nothing can be in it. */
export const NO_HEADER = 'there is no whole header';

/** Where an output frame begins: in the output stream, and in the file. */
export interface FramePlace {
  offset: number;
  position: number;
}

/** Where a writer stands in its file. */
export interface WriterState {
  header: RecordingHeader;
  repaired: boolean;
  hash: Buffer;
  fileBytes: number;
  outBytes: number;
  /** Of `outBytes`: in gaps. */
  gapBytes: number;
  /** Up to where the last gap reaches; 0 without one. */
  gapEnd: number;
  end: RecordingEnd | undefined;
  index: FramePlace[];
}

/** What a checkpoint that fits says about the file up to its place. */
export function stateAt({ checkpoint, header }: NonNullable<Awaited<ReturnType<typeof readCheckpoint>>>): WriterState {
  const { headSha256, fileBytes, outBytes, gapBytes, gapEnd, index: places } = checkpoint;
  const index: FramePlace[] = [];
  for (let at = 0; at + 1 < places.length; at += 2) index.push({ offset: places[at]!, position: places[at + 1]! });
  return {
    header,
    repaired: false,
    hash: Buffer.from(headSha256, 'hex'),
    fileBytes,
    outBytes,
    gapBytes,
    gapEnd,
    end: undefined,
    index,
  };
}

/** Reads the frames, or those behind `known`, which is brought up to the end of the file. */
export async function scan(
  handle: FileHandle,
  { onOutput, onGap }: { onOutput(bytes: Uint8Array): void; onGap?(to: number): void },
  known: WriterState | undefined,
): Promise<WriterState> {
  let state = known;
  const from: FrameBoundary | undefined = known && { position: known.fileBytes, hash: known.hash, outBytes: known.outBytes };
  try {
    for await (const { frame, position, end, hash } of readFramesFrom(handle, from)) {
      if (frame.kind === 'header') state = newState(frame.header);
      state!.hash = Buffer.from(hash);
      state!.fileBytes = end;
      if (frame.kind === 'output') {
        remember(state!.index, { offset: frame.offset, position });
        state!.outBytes = frame.offset + frame.bytes.length;
        onOutput(frame.bytes);
      }
      if (frame.kind === 'gap') {
        state!.gapBytes += frame.gap.to - frame.gap.from;
        state!.outBytes = state!.gapEnd = frame.gap.to;
        onGap?.(frame.gap.to);
      }
      if (frame.kind === 'end') state!.end = frame.end;
    }
  } catch (error) {
    const { size } = await handle.stat();
    if (!(error instanceof RecordingError) || !state || state.end || size - error.position > TORN_TAIL_MAX_BYTES) throw error;
  }
  if (!state) throw new RecordingError(NO_HEADER, 0);
  return state;
}

/** Before any frame. */
export function newState(header: RecordingHeader): WriterState {
  return { header, repaired: false, hash: NO_HASH, fileBytes: 0, outBytes: 0, gapBytes: 0, gapEnd: 0, end: undefined, index: [] };
}

/** Keeps the place when it is far enough from the one before. */
export function remember(index: FramePlace[], place: FramePlace): void {
  const last = index.at(-1);
  if (!last || place.offset - last.offset >= INDEX_EVERY_BYTES) index.push(place);
}
