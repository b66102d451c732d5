/** asciicast v2, derived from a recording (wire 6.8). */
import { StringDecoder } from 'node:string_decoder';
import { decodeSize, OutputRecord, RecordParser } from '@bascule/wire/records.ts';
import type { RecordingHeader } from '@bascule/protocol/relay-control.ts';
import { readFrames } from './reader.ts';

/**
 * Yields the lines of the asciicast of `file`, each whole and with its newline. Bytes that are no UTF-8 become U+FFFD; a character that was cut between two
 * frames is joined. Throws RecordingError when the recording was changed.
 */
export async function* asciicastLines(file: string): AsyncGenerator<string> {
  const output = new StringDecoder('utf8');
  const typed = new StringDecoder('utf8');
  let lines: string[] = [];
  let seconds = 0;
  const event = (code: 'o' | 'i' | 'r' | 'm', text: string) => {
    if (text !== '') lines.push(`${JSON.stringify([Number(seconds.toFixed(6)), code, text])}\n`);
  };
  const take = (type: number, payload: Uint8Array) => {
    if (type === OutputRecord.data) event('o', output.write(Buffer.from(payload)));
    else if (type === OutputRecord.typed) event('i', typed.write(Buffer.from(payload)));
    else if (type === OutputRecord.resized) {
      const { cols, rows } = decodeSize(payload);
      event('r', `${cols}x${rows}`);
    }
  };
  let parser = new RecordParser(take);
  let firstUs: number | undefined;
  for await (const { frame } of readFrames(file)) {
    if (frame.kind === 'header') yield header(frame.header);
    if (frame.kind === 'gap') {
      const missing = `${frame.gap.to - frame.gap.from} bytes are missing here: ${frame.gap.reason}`;
      event('m', missing);
      event('o', `\r\n\x1b[0;7m[${missing}]\x1b[0m\r\n`);
      parser = new RecordParser(take, frame.gap.to);
    }
    if (frame.kind !== 'output') continue;
    firstUs ??= frame.timeUs;
    // The agent's clock may be set back; a player wants times that never fall.
    seconds = Math.max(seconds, (frame.timeUs - firstUs) / 1_000_000);
    parser.push(frame.bytes);
    yield* lines;
    lines = [];
  }
  event('o', output.end());
  event('i', typed.end());
  yield* lines;
}

function header(recording: RecordingHeader): string {
  const title = `${recording.user.name} on ${recording.jumpItem.name}`;
  const { cols, rows } = recording.size;
  return `${JSON.stringify({ version: 2, width: cols, height: rows, timestamp: Math.floor(recording.startedAtMs / 1000), title, env: { TERM: 'xterm-256color' } })}\n`;
}
