import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { RecordingHeader } from '@bascule/protocol/relay-control.ts';
import { newId } from '@bascule/core/ids.ts';
import { encodeRecord, encodeSize, OutputRecord } from '@bascule/wire/records.ts';
import { asciicastLines } from './asciicast.ts';
import { RecordingError } from './format.ts';
import { readFacts, readFrames } from './reader.ts';
import { RecordingWriter, TORN_TAIL_MAX_BYTES } from './writer.ts';

const directory = mkdtempSync(join(tmpdir(), 'bascule-recording-'));
after(() => rmSync(directory, { recursive: true }));
let files = 0;
const newFile = () => join(directory, `${files++}.bsr`);

const header: RecordingHeader = {
  format: 'bascule-recording/1',
  session: newId('accessSession'),
  startedAtMs: 1_790_000_000_000,
  appliance: 'test',
  user: { id: newId('user'), name: 'ada' },
  fromAddress: '192.0.2.1',
  jumpItem: { id: newId('jumpClient'), name: 'web-1', hostName: 'web-1', runsAs: 'root' },
  program: 'shell',
  size: { cols: 80, rows: 24 },
  recordsInput: false,
};
const unfenced = { checkGeneration: () => {} };
const data = (text: string | Uint8Array) => encodeRecord(OutputRecord.data, Buffer.from(text));

async function outputOf(file: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const { frame } of readFrames(file)) if (frame.kind === 'output') parts.push(Buffer.from(frame.bytes));
  return Buffer.concat(parts);
}

/** A file with `batches` flushes of some output each. */
async function recorded(batches: number, end: boolean): Promise<{ file: string; output: Buffer }> {
  const file = newFile();
  const writer = await RecordingWriter.create(file, header, unfenced);
  const all: Buffer[] = [];
  for (let batch = 0; batch < batches; batch++) {
    for (let piece = 0; piece < 3; piece++) {
      const bytes = Buffer.from(`${batch}.${piece} `.repeat(1 + ((batch * 7 + piece) % 20)));
      writer.append(writer.takenBytes, 1_000_000 + batch * 100_000 + piece * 30_000, bytes);
      all.push(bytes);
    }
    await writer.flush();
  }
  if (end) await writer.finish({ reason: 'process-exited', exitCode: 0, endedAtMs: 1_790_000_001_000 });
  await writer.close();
  return { file, output: Buffer.concat(all) };
}

test('what was appended is what the file holds, chained to the head (wire 6.1-6.6)', async () => {
  const { file, output } = await recorded(20, true);
  assert.deepEqual(await outputOf(file), output);
  const facts = await readFacts(file);
  assert.equal(facts?.outBytes, output.length);
  assert.equal(facts?.end?.reason, 'process-exited');
  assert.equal(facts?.wholeBytes, readFileSync(file).length);
});

test('nothing counts as recorded before it is on the disk', async () => {
  const writer = await RecordingWriter.create(newFile(), header, unfenced);
  writer.append(0, 1, Buffer.from('abc'));
  assert.deepEqual([writer.recordedBytes, writer.takenBytes], [0, 3]);
  const flushing = writer.flush();
  assert.equal(writer.recordedBytes, 0);
  assert.equal(
    Buffer.concat(writer.waiting(1).map((piece) => piece.bytes)).toString(),
    'bc',
    'what is being written can still be read along',
  );
  await flushing;
  assert.deepEqual([writer.recordedBytes, writer.waiting(0).length], [3, 0]);
  await writer.close();
});

test('any torn tail is repaired to a prefix of whole frames, and the file goes on from there (wire 6.5, I2)', async () => {
  const { file, output } = await recorded(8, false);
  const whole = readFileSync(file);
  const headerEnd = 12 + whole.readUInt32BE(8) + 32;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: headerEnd, max: whole.length }),
      fc.uint8Array({ minLength: 500, maxLength: 3000, size: 'max' }),
      async (length, junk) => {
        const torn = newFile();
        writeFileSync(torn, Buffer.concat([whole.subarray(0, length), junk]));
        const parts: Uint8Array[] = [];
        const writer = await RecordingWriter.reopen(torn, 'test', unfenced, {
          onOutput: (bytes) => parts.push(Buffer.from(bytes)),
        });
        const kept = writer.recordedBytes;
        assert.deepEqual(Buffer.concat(parts), output.subarray(0, kept));
        writer.append(kept, 9_000_000, Buffer.from('on'));
        await writer.flush();
        await writer.finish({ reason: 'ended-by-user', exitCode: null, endedAtMs: 1 });
        await writer.close();
        assert.deepEqual(await outputOf(torn), Buffer.concat([output.subarray(0, kept), Buffer.from('on')]));
        const facts = await readFacts(torn);
        assert.equal(facts?.end?.outBytes, kept + 2);
        assert.equal(facts.wholeBytes, readFileSync(torn).length, 'nothing of the torn tail is left');
        rmSync(torn);
      },
    ),
    { numRuns: 60 },
  );
});

test('pages of the last batch that never reached the disk are a torn tail too; damage further away is not', async () => {
  const { file } = await recorded(8, false);
  const whole = readFileSync(file);
  const holed = Buffer.from(whole);
  holed.fill(0, whole.length - 400, whole.length - 300);
  writeFileSync(file, holed);
  const writer = await RecordingWriter.reopen(file, 'test', unfenced);
  assert.ok(writer.repaired && writer.recordedBytes > 0);
  await writer.close();
  holed[600] = holed[600]! ^ 1;
  writeFileSync(file, Buffer.concat([holed, Buffer.alloc(TORN_TAIL_MAX_BYTES)]));
  await assert.rejects(RecordingWriter.reopen(file, 'test', unfenced), RecordingError);
});

test('fuzz: the reader takes any file, or throws RecordingError; every flipped bit is noticed', async () => {
  const { file, output } = await recorded(4, true);
  const whole = readFileSync(file);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length * 8 - 1), fc.nat(whole.length), async (bit, length) => {
      const changed = newFile();
      const bytes = Buffer.from(whole);
      bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
      writeFileSync(changed, bytes);
      try {
        const facts = await readFacts(changed);
        assert.ok(facts?.end === undefined, 'a changed recording is not complete');
        assert.ok(output.subarray(0, facts?.outBytes ?? 0).equals(await outputOf(changed)));
      } catch (error) {
        assert.ok(error instanceof RecordingError, String(error));
      }
      truncateSync(changed, length);
      await readFacts(changed).catch((error: unknown) => assert.ok(error instanceof RecordingError, String(error)));
      rmSync(changed);
    }),
    { numRuns: 150 },
  );
});

test('fenced: a writer of an earlier generation writes nothing and loses nothing', async () => {
  const file = newFile();
  let fenced = false;
  const writer = await RecordingWriter.create(file, header, {
    checkGeneration: () => {
      if (fenced) throw new Error('fenced');
    },
  });
  const before = readFileSync(file);
  fenced = true;
  writer.append(0, 1, Buffer.from('abc'));
  await assert.rejects(writer.flush(), /fenced/);
  assert.deepEqual(readFileSync(file), before);
  fenced = false;
  await writer.flush();
  assert.equal((await outputOf(file)).toString(), 'abc');
  await writer.close();
});

test('reading along gives the bytes from any offset', async () => {
  const file = newFile();
  const writer = await RecordingWriter.create(file, header, unfenced);
  const output = Buffer.alloc(3_500_000, 'abcdefg');
  for (let at = 0; at < output.length; at += 70_000) {
    writer.append(at, at * 50, output.subarray(at, at + 70_000));
    await writer.flush();
  }
  for (const from of [0, 1, 69_999, 70_000, 1_234_567, 3_499_999, 3_500_000]) {
    const parts: Uint8Array[] = [];
    let at = from;
    for (;;) {
      const pieces = await writer.readRecorded(at, 500_000);
      if (pieces.length === 0) break;
      for (const piece of pieces) {
        assert.equal(piece.offset, at);
        at += piece.bytes.length;
        parts.push(piece.bytes);
      }
    }
    assert.ok(Buffer.concat(parts).equals(output.subarray(from)), `from ${from}`);
  }
  await writer.close();
});

test('asciicast: whole lines, characters joined across frames, invalid bytes replaced, times never fall (wire 6.8)', async () => {
  const file = newFile();
  const writer = await RecordingWriter.create(file, header, unfenced);
  const euro = Buffer.from('€');
  const pieces: [number, Uint8Array][] = [
    [1_000_000, data(Buffer.concat([Buffer.from('a'), euro.subarray(0, 1)]))],
    [2_500_000, data(Buffer.concat([euro.subarray(1), Buffer.of(0xff)]))],
    [2_000_000, encodeSize(OutputRecord.resized, 100, 30)],
    [3_000_000, encodeRecord(OutputRecord.typed, Buffer.from('ls'))],
    [3_500_000, data('\ufeffend')],
  ];
  for (const [timeUs, record] of pieces) writer.append(writer.takenBytes, timeUs, record);
  await writer.flush();
  await writer.close();
  const lines: string[] = [];
  for await (const line of asciicastLines(file)) lines.push(line);
  assert.ok(lines.every((line) => line.endsWith('\n')));
  const [first, ...events] = lines.map((line) => JSON.parse(line) as unknown);
  assert.deepEqual(first, {
    version: 2,
    width: 80,
    height: 24,
    timestamp: 1_790_000_000,
    title: 'ada on web-1',
    env: { TERM: 'xterm-256color' },
  });
  assert.deepEqual(events, [
    [0, 'o', 'a'],
    [1.5, 'o', '€\ufffd'],
    [1.5, 'r', '100x30'],
    [2, 'i', 'ls'],
    [2.5, 'o', '\ufeffend'],
  ]);
});
