/** Reads a recording's asciicast from the appliance into a CastIndex, as it comes. */
import { AppError } from '@bascule/errors/app-error.ts';
import { LineSplitter, parseHeader } from './asciicast.ts';
import { CastIndex, type ShadowTerminal } from './cast-index.ts';

export interface CastReading {
  /** Called once, with the header: from then on there is something to play. */
  onIndex: (index: CastIndex, size: { cols: number; rows: number }) => void;
  /** Called when the index has grown. */
  onGrown: () => void;
}

/**
 * Reads `body` to its end. The next piece is asked for when the shadow terminal has followed the last one: the connection slows down to what
 * the page can take. Throws RECORDING_UNREADABLE for what is no asciicast; whatever came before it can still be played.
 */
export async function readCast(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  shadow: ShadowTerminal,
  reading: CastReading,
): Promise<void> {
  const splitter = new LineSplitter();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let index: CastIndex | undefined;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      let lines = splitter.push(value);
      const [first] = lines;
      if (!index && first !== undefined) {
        const header = parseHeader(first);
        index = new CastIndex(header, shadow);
        lines = lines.slice(1);
        reading.onIndex(index, { cols: header.width, rows: header.height });
      }
      await index?.append(lines);
      reading.onGrown();
    }
    if (!index) throw new AppError('invalid', 'RECORDING_UNREADABLE', 'The recording cannot be played: it is empty.');
  } finally {
    index?.finish();
    reading.onGrown();
    await reader.cancel().catch(() => undefined);
  }
}
