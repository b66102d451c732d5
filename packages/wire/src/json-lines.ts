/** JSON values, one a line, over a stream of bytes; the length of a line is bounded. */
import type { Duplex } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { WireError } from './frames.ts';

/**
 * Calls `onValue` for every line of `stream`. A line that is too long or no JSON destroys the stream with a WireError.
 */
export function readJsonLines(stream: Duplex, maxBytes: number, onValue: (value: unknown) => void): void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    rest += decoder.write(chunk);
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const text = rest.slice(0, end);
      rest = rest.slice(end + 1);
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        stream.destroy(new WireError('line: is not JSON'));
        return;
      }
      onValue(value);
    }
    if (rest.length > maxBytes) stream.destroy(new WireError(`line: is longer than ${maxBytes} bytes`));
  });
}

/** Writes one value; false when the stream's buffer is full. */
export function writeJsonLine(stream: Duplex, value: unknown): boolean {
  return stream.write(`${JSON.stringify(value)}\n`);
}
