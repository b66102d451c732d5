/** Recordings of ended sessions, by the relay's own writer: what a first copy has to move. */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '@bascule/core/ids.ts';
import { EndReason } from '@bascule/protocol/end-reason.ts';
import type { RecordingHeader } from '@bascule/protocol/relay-control.ts';
import { RecordingWriter } from '@bascule/recording/writer.ts';
import { encodeRecord, OutputRecord } from '@bascule/wire/records.ts';

const RECORDING_BYTES = 40e6;
/** What a busy program writes between two of the relay's batches, which are 20 ms apart: a frame. */
const FRAME_BYTES = 16 * 1024;
const FRAME_EVERY_US = 20_000;
const FLUSH_BYTES = 8 * 1024 * 1024;
const WRITTEN_AT_ONCE = 3;
const DISTINCT_FRAMES = 512;

/** Writes recordings of about `bytes` in all into `folder`; gives how many. */
export async function writeRecordings(folder: string, bytes: number): Promise<number> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const count = Math.max(1, Math.round(bytes / RECORDING_BYTES));
  const output = Array.from({ length: DISTINCT_FRAMES }, () =>
    encodeRecord(OutputRecord.data, Buffer.from(randomBytes((FRAME_BYTES * 3) / 4).toString('base64'))),
  );
  let next = 0;
  const work = async () => {
    while (next < count) await writeRecording(folder, output, next++ * 7, bytes / count);
  };
  await Promise.all(Array.from({ length: WRITTEN_AT_ONCE }, work));
  return count;
}

async function writeRecording(folder: string, output: readonly Uint8Array[], first: number, bytes: number): Promise<void> {
  const session = newId('accessSession');
  const header: RecordingHeader = {
    format: 'bascule-recording/1',
    session,
    startedAtMs: Date.now(),
    appliance: 'bench',
    user: { id: newId('user'), name: 'bench' },
    fromAddress: '127.0.0.1',
    jumpItem: { id: newId('jumpClient'), name: 'bench', hostName: 'bench', runsAs: 'root' },
    program: 'shell',
    size: { cols: 80, rows: 24 },
    recordsInput: true,
  };
  const writer = await RecordingWriter.create(join(folder, `${session}.bsr`), header, { checkGeneration: () => {} });
  for (let frame = 0, taken = 0, waiting = 0; taken < bytes; frame += 1) {
    const piece = output[(first + frame) % output.length]!;
    writer.append(taken, frame * FRAME_EVERY_US, piece);
    taken += piece.length;
    waiting += piece.length;
    if (waiting < FLUSH_BYTES && taken < bytes) continue;
    await writer.flush();
    waiting = 0;
  }
  await writer.finish({ reason: EndReason.user, exitCode: null, endedAtMs: Date.now() });
  await writer.close();
}
