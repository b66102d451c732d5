import { randomBytes } from 'node:crypto';
import { ESTABLISH_MEASURE_MAX_BYTES } from '@bascule/protocol/pair-establish.ts';
import type { EstablishLine } from './establish-line.ts';

/** The measured transfer: at most so many pieces, and no new one after this time. The first, small, warms the connection up. */
const PIECES_MAX = 2;
const MEASURE_LIMIT_MS = 1_000;
const WARM_UP_BYTES = 64 * 1024;
const PIECE_LIMIT_MS = 15_000;

/** Bytes that compress to nothing less, base64: what a measured transfer carries. */
export function paddingOf(bytes: number): string {
  return randomBytes(bytes).toString('base64');
}

/** How many bytes a second come over `line`, measured for a moment; 0 when it cannot be told. Throws as `EstablishLine.call`. */
export async function measureLine(line: EstablishLine): Promise<number> {
  await line.call({ kind: 'measure', bytes: WARM_UP_BYTES }, { timeoutMs: PIECE_LIMIT_MS });
  const startedMs = performance.now();
  let bytes = 0;
  let elapsedMs = 0;
  for (let piece = 0; piece < PIECES_MAX && elapsedMs < MEASURE_LIMIT_MS; piece++) {
    const { padding } = await line.call({ kind: 'measure', bytes: ESTABLISH_MEASURE_MAX_BYTES }, { timeoutMs: PIECE_LIMIT_MS });
    // What went over the connection: sealed and in base64 twice.
    bytes += ((padding?.length ?? 0) * 4) / 3;
    elapsedMs = performance.now() - startedMs;
  }
  return elapsedMs > 0 ? Math.round(bytes / (elapsedMs / 1000)) : 0;
}
