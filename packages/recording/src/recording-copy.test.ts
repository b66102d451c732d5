import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { newId } from '@bascule/core/ids.ts';
import type { RecordingHeader } from '@bascule/protocol/relay-control.ts';
import { encodeRecord, OutputRecord } from '@bascule/wire/records.ts';
import { RecordingError } from './format.ts';
import { readFacts } from './reader.ts';
import { RecordingCopy } from './recording-copy.ts';
import { RecordingWriter } from './writer.ts';

const directory = mkdtempSync(join(tmpdir(), 'bascule-copy-'));
after(() => rmSync(directory, { recursive: true }));
let files = 0;
const newFile = () => join(directory, `${files++}.bsr`);
const unfenced = () => {};

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

/** A recording with frames of all kinds. */
async function original(sizes: readonly number[]): Promise<{ bytes: Buffer; outBytes: number; head: string }> {
  const file = newFile();
  const writer = await RecordingWriter.create(file, header, { checkGeneration: unfenced });
  for (const [index, size] of sizes.entries()) {
    writer.append(writer.takenBytes, index * 20_000, encodeRecord(OutputRecord.data, Buffer.alloc(size, `${index} `)));
    await writer.flush();
    if (index === 1) await writer.gap(writer.takenBytes + 100, 'a test', 1);
  }
  await writer.finish({ reason: 'process-exited', exitCode: 0, endedAtMs: 1 });
  await writer.close();
  return { bytes: readFileSync(file), outBytes: writer.recordedBytes, head: writer.headSha256 };
}

test('a copy that comes in any pieces, and is opened again anywhere, is the original', async () => {
  const { bytes, outBytes, head } = await original([1, 10, 60_000, 200, 3, 30_000]);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 0, max: 40 }),
      async (sizes, reopenAt) => {
        const file = newFile();
        let copy = await RecordingCopy.open(file, unfenced);
        for (let index = 0; copy.received < bytes.length; index++) {
          if (index === reopenAt) {
            await copy.flush({ durably: true });
            const { headSha256, outBytes: known } = copy;
            await copy.close();
            copy = await RecordingCopy.open(file, unfenced);
            assert.deepEqual([copy.headSha256, copy.outBytes], [headSha256, known]);
          }
          const at = copy.received;
          // A copy of its own: what is pushed is kept.
          copy.push(Buffer.from(bytes.subarray(at, at + sizes[index % sizes.length]!)));
          if (index % 3 === 0) await copy.flush({ durably: false });
        }
        await copy.flush({ durably: true });
        assert.deepEqual([copy.ended, copy.outBytes, copy.headSha256, copy.written], [true, outBytes, head, bytes.length]);
        await copy.close();
        assert.ok(readFileSync(file).equals(bytes));
      },
    ),
    { numRuns: 40 },
  );
});

test('a flipped bit anywhere is refused, and what was written is still the beginning of the original', async () => {
  const { bytes } = await original([1, 10, 5000, 200]);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: bytes.length * 8 - 1 }),
      fc.integer({ min: 1, max: 9000 }),
      async (bit, pieceBytes) => {
        const damaged = Buffer.from(bytes);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        const file = newFile();
        const copy = await RecordingCopy.open(file, unfenced);
        const pushAll = () => {
          for (let at = 0; at < damaged.length; at += pieceBytes) copy.push(Buffer.from(damaged.subarray(at, at + pieceBytes)));
        };
        try {
          pushAll();
          // A length that reaches beyond the end is only missing bytes.
          assert.ok(copy.received > copy.written + copy.waitingBytes && !copy.ended);
        } catch (error) {
          assert.ok(error instanceof RecordingError, String(error));
        }
        await copy.flush({ durably: true });
        await copy.close();
        const written = readFileSync(file);
        assert.ok(written.equals(bytes.subarray(0, written.length)));
      },
    ),
    { numRuns: 200 },
  );
});

test('a torn tail is cut off, a damaged copy is not taken up, and a fenced writer writes nothing', async () => {
  const { bytes } = await original([10, 5000]);
  const file = newFile();
  writeFileSync(file, bytes);
  truncateSync(file, bytes.length - 40);
  const copy = await RecordingCopy.open(file, unfenced);
  assert.ok(copy.written < bytes.length - 40 && !copy.ended);
  copy.push(bytes.subarray(copy.written));
  await copy.flush({ durably: true });
  await copy.close();
  assert.ok((await readFacts(file))?.end);
  const damaged = Buffer.from(bytes);
  damaged[400]! ^= 1;
  writeFileSync(file, damaged);
  await assert.rejects(RecordingCopy.open(file, unfenced), RecordingError);
  let isFenced = false;
  const fenced = await RecordingCopy.open(newFile(), () => {
    if (isFenced) throw new Error('fenced');
  });
  fenced.push(bytes);
  isFenced = true;
  await assert.rejects(fenced.flush({ durably: true }), /fenced/);
  assert.equal(fenced.written, 0);
  await fenced.close();
});
