import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import type { RecordingHeader } from '@bascule/protocol/relay-control.ts';
import { checkpointFile } from './checkpoint.ts';
import { readFacts } from './reader.ts';
import { RecordingWriter } from './writer.ts';

const unfenced = { checkGeneration: () => {} };
const header: RecordingHeader = {
  format: 'bascule-recording/1',
  session: newId('accessSession'),
  startedAtMs: 1_790_000_000_000,
  appliance: 'test',
  user: { id: newId('user'), name: 'ada' },
  fromAddress: '192.0.2.1',
  jumpItem: { id: 'jc_1', name: 'web-1', hostName: 'web-1', runsAs: 'root' },
  program: 'shell',
  size: { cols: 80, rows: 24 },
  recordsInput: false,
};
const MEBIBYTE = 1024 * 1024;
const PIECES = 4;

/** A recording of `chunks` mebibytes with a checkpoint behind the first `behind` of them. */
async function recorded(directory: string, chunks: number, behind: number): Promise<string> {
  const file = join(directory, 's.bsr');
  const writer = await RecordingWriter.create(file, header, unfenced);
  for (let index = 0; index < chunks; index++) {
    for (let piece = 0; piece < PIECES; piece++)
      writer.append(writer.takenBytes, index * 1000, Buffer.alloc(MEBIBYTE / PIECES, index));
    await writer.flush();
    if (index === behind - 1) await writer.saveCheckpoint({ at: writer.recordedBytes });
  }
  await writer.close();
  return file;
}

/** Opens again and tells how much was read, and what was restored. */
async function reopened(file: string, accept = true) {
  let readBytes = 0;
  let restored: unknown;
  const writer = await RecordingWriter.reopen(file, 'test', unfenced, {
    onOutput: (bytes) => (readBytes += bytes.length),
    restore: (extra) => ((restored = extra), accept),
  });
  return { writer, readBytes, restored };
}

async function inScratch(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-checkpoint-'));
  try {
    await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test('a writer goes on from the checkpoint, reads only what came behind it, and the whole verifies', () =>
  inScratch(async (directory) => {
    const file = await recorded(directory, 6, 4);
    const { writer, readBytes, restored } = await reopened(file);
    assert.deepEqual([restored, readBytes, writer.recordedBytes], [{ at: 4 * MEBIBYTE }, 2 * MEBIBYTE, 6 * MEBIBYTE]);
    // Places before the checkpoint are known, too.
    const [piece] = await writer.readRecorded(2 * MEBIBYTE + 5, 10);
    assert.deepEqual([piece?.offset, piece?.bytes[0]], [2 * MEBIBYTE + 5, 2]);
    assert.ok(writer.locate(2 * MEBIBYTE).position > MEBIBYTE);
    writer.append(6 * MEBIBYTE, 7000, Buffer.from('more'));
    await writer.flush();
    await writer.finish({ reason: 'process-exited', exitCode: 0, endedAtMs: header.startedAtMs });
    assert.equal(existsSync(checkpointFile(file)), false, 'an ended recording needs none');
    await writer.close();
    const facts = await readFacts(file);
    assert.deepEqual([facts?.outBytes, facts?.headSha256], [6 * MEBIBYTE + 4, writer.headSha256]);
    assert.equal(facts?.wholeBytes, readFileSync(file).length);
  }));

test('a checkpoint that does not fit is passed over: the whole file is read', () =>
  inScratch(async (directory) => {
    const spoil: ((file: string) => void)[] = [
      (file) => rmSync(checkpointFile(file)),
      (file) => truncateSync(checkpointFile(file), 40),
      (file) => writeFileSync(checkpointFile(file), ''),
      (file) =>
        writeFileSync(checkpointFile(file), readFileSync(checkpointFile(file), 'utf8').replace(/"outBytes":\d+/, '"outBytes":7')),
    ];
    for (const [index, act] of spoil.entries()) {
      const file = await recorded(directory, 3, 2);
      act(file);
      const { writer, readBytes, restored } = await reopened(file);
      assert.deepEqual([readBytes, restored], [3 * MEBIBYTE, undefined], `spoiled in way ${index}`);
      await writer.close();
      rmSync(file);
    }
    const file = await recorded(directory, 3, 2);
    const refused = await reopened(file, false);
    assert.equal(refused.readBytes, 3 * MEBIBYTE, 'its owner may not understand it');
    await refused.writer.close();
    rmSync(file);

    // Behind what the file has: a power cut took recorded bytes, or the file is another one.
    const cut = await recorded(directory, 3, 2);
    truncateSync(cut, MEBIBYTE + 500_000);
    const back = await reopened(cut);
    assert.deepEqual([back.restored, back.writer.repaired], [undefined, true]);
    await back.writer.close();
  }));

test('a torn tail behind the checkpoint is cut off', () =>
  inScratch(async (directory) => {
    const file = await recorded(directory, 3, 2);
    const { length } = readFileSync(file);
    truncateSync(file, length - 10);
    const { writer, restored } = await reopened(file);
    assert.deepEqual([restored, writer.repaired], [{ at: 2 * MEBIBYTE }, true]);
    // A frame holds half a mebibyte at most, so that the first half of the third is whole.
    assert.ok(writer.recordedBytes >= 2 * MEBIBYTE && writer.recordedBytes < 3 * MEBIBYTE);
    await writer.close();
    assert.equal((await readFacts(file))?.outBytes, writer.recordedBytes);
  }));
