const LINE_END = 0x0a;

/** The lines of `stream`, one after another, without their ends. Throws when one is longer than `maxBytes`, before more of it is kept: whoever sends decides nothing about our memory. */
export async function* boundedLines(stream: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<string> {
  let begun = Buffer.alloc(0);
  for await (const piece of stream) {
    let at = 0;
    for (let end = piece.indexOf(LINE_END); end >= 0; end = piece.indexOf(LINE_END, at)) {
      const line = Buffer.concat([begun, piece.subarray(at, end)]);
      if (line.length > maxBytes) throw new Error('a line is too long');
      yield line.toString('utf8');
      begun = Buffer.alloc(0);
      at = end + 1;
    }
    if (begun.length + piece.length - at > maxBytes) throw new Error('a line is too long');
    begun = Buffer.concat([begun, piece.subarray(at)]);
  }
  if (begun.length > 0) yield begun.toString('utf8');
}
