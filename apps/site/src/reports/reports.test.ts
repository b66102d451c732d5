import assert from 'node:assert/strict';
import { mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { recordingHeader } from '@bascule/protocol/relay-control.ts';
import { RecordingWriter } from '@bascule/recording/writer.ts';
import { defineAuditEvent, readAudit } from '@bascule/store/audit.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { encodeRecord, OutputRecord } from '@bascule/wire/records.ts';
import { contextOf, SessionBench } from '../access-session/testing.ts';
import { fileName, RECORDING_READERS_LIMIT, RECORDING_READERS_PER_USER_LIMIT, Reports } from './reports.ts';

const noted = defineAuditEvent('REPORTS_TEST_NOTED', 'A row was changed');
const withCode = (code: string) => (error: unknown) => error instanceof AppError && error.code === code;

/** A session whose recording holds `text`; complete unless `cut`. */
async function recorded(bench: SessionBench, text: string, { cut = false } = {}) {
  const recordings = join(bench.directory, 'recordings');
  mkdirSync(recordings, { recursive: true });
  const session = await bench.openLive();
  const opened = bench.relay.of('session-open').find((message) => message.session === session);
  assert.ok(opened);
  const file = join(recordings, opened.file);
  const writer = await RecordingWriter.create(file, recordingHeader.parse(opened.header), { checkGeneration: () => undefined });
  writer.append(0, 1_000_000, encodeRecord(OutputRecord.data, Buffer.from(text)));
  await writer.flush();
  if (!cut) await writer.finish({ reason: 'process-exited', exitCode: 0, endedAtMs: bench.nowMs, inBytes: 0 });
  await writer.close();
  if (!cut) bench.sayEnded(session, 'process-exited');
  await bench.settled();
  const reports = new Reports({ sessions: bench.sessions, store: bench.database.store, recordingsDir: recordings });
  return { session, file, reports, headSha256: writer.headSha256 };
}

async function startedBench(): Promise<SessionBench> {
  const bench = new SessionBench();
  await bench.start();
  return bench;
}

async function textOf(lines: AsyncGenerator<string>): Promise<string> {
  let text = '';
  for await (const line of lines) text += line;
  return text;
}

describe('reports of access sessions', () => {
  it('take the facts of a recording from the file itself', async () => {
    await using bench = await startedBench();
    const { session, file, reports, headSha256 } = await recorded(bench, 'hello');
    const detail = await reports.detail(session, undefined, 'reader');
    assert.deepEqual(detail.recording, { bytes: statSync(file).size, complete: true, headSha256, durationMs: 0 });
    assert.equal(detail.session.endReason, 'process-exited');
  });

  it('serve a recording that a crash cut as far as it is whole', async () => {
    await using bench = await startedBench();
    const { session, file, reports } = await recorded(bench, 'whole', { cut: true });
    const wholeBytes = statSync(file).size;
    writeFileSync(file, Buffer.from([0, 0, 1, 44, 2, 9, 9, 9]), { flag: 'a' });
    const detail = await reports.detail(session, undefined, 'reader');
    assert.deepEqual(
      [detail.recording?.complete, detail.recording?.bytes, detail.recording?.headSha256],
      [false, wholeBytes, null],
    );
    const { file: served } = await reports.download(contextOf(bench.user), session, bench.user.id, 'asciicast');
    const lines = (await textOf(reports.castLines(served, 'reader'))).trimEnd().split('\n');
    assert.equal((JSON.parse(lines[0]!) as { width: number }).width, 80);
    assert.deepEqual(JSON.parse(lines[1]!), [0, 'o', 'whole']);
  });

  it('say so when a recording was changed, and serve nothing made of it', async () => {
    await using bench = await startedBench();
    const { session, file, reports } = await recorded(bench, 'x'.repeat(1000));
    writeFileSync(file, Buffer.from('y'), { flag: 'r+' });
    await assert.rejects(reports.detail(session, undefined, 'reader'), withCode('RECORDING_CHANGED'));
  });

  it('have none of a session whose file is gone, and do not invent one', async () => {
    await using bench = await startedBench();
    const session = await bench.openLive();
    const reports = new Reports({ sessions: bench.sessions, store: bench.database.store, recordingsDir: bench.directory });
    assert.equal((await reports.detail(session, undefined, 'reader')).recording, null);
    await assert.rejects(reports.download(contextOf(bench.user), session, undefined, 'recording'), withCode('RECORDING_MISSING'));
    assert.ok(!bench.auditCodes().includes('RECORDING_DOWNLOADED'));
  });

  it('lead to no file outside of the recordings, whatever the row of another appliance says', async () => {
    await using bench = await startedBench();
    const { session, reports, file } = await recorded(bench, 'hello');
    bench.database.store.transact(SYSTEM, noted({}), (tx) =>
      tx.run('UPDATE access_sessions SET recording_file = ? WHERE id = ?', '../keys/site.key', session),
    );
    assert.equal((await reports.download(contextOf(bench.administrator), session, undefined, 'recording')).file, file);
  });

  it('are private, with the same answer for what is missing and what is not theirs; each download is audited', async () => {
    await using bench = await startedBench();
    const { session, file, reports } = await recorded(bench, 'secret');
    const stranger = bench.administrator.id;
    await assert.rejects(reports.detail(session, stranger, 'reader'), withCode('NOT_FOUND'));
    await assert.rejects(
      reports.detail(
        session.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')),
        undefined,
        'reader',
      ),
      withCode('NOT_FOUND'),
    );
    await assert.rejects(reports.download(contextOf(bench.user), session, stranger, 'recording'), withCode('NOT_FOUND'));
    const download = await reports.download(contextOf(bench.administrator), session, undefined, 'recording');
    assert.deepEqual([download.file, download.sizeBytes], [file, statSync(file).size]);
    assert.match(download.name, /^2026-11-21T0000Z-web01-anna\.bsr$/);
    const [event] = readAudit(bench.database.store, { limit: 1 });
    assert.deepEqual(
      [event!.code, event!.actorName, (JSON.parse(event!.details) as { format: string }).format],
      ['RECORDING_DOWNLOADED', 'boss', 'recording'],
    );
    assert.match(event!.summary, /^Played or downloaded the recording of .* \(recording\)$/);
  });

  it('read a limited number of recordings at one time', async () => {
    await using bench = await startedBench();
    const { file, reports } = await recorded(bench, 'hello');
    const started = async (reader: string) => {
      const lines = reports.castLines(file, reader);
      await lines.next();
      return lines;
    };
    const readers: AsyncGenerator<string>[] = [];
    for (let index = 0; index < RECORDING_READERS_PER_USER_LIMIT; index++) readers.push(await started('ann'));
    await assert.rejects(started('ann'), withCode('REPORT_READERS_LIMIT'));
    for (let index = readers.length; index < RECORDING_READERS_LIMIT; index++) readers.push(await started(`user-${index}`));
    await assert.rejects(started('ben'), withCode('REPORT_READERS_LIMIT'));
    await readers.shift()!.return(undefined);
    readers.push(await started('ben'));
    for (const reader of readers) await reader.return(undefined);
  });

  it('give files names that no file system or header misunderstands', () => {
    const name = fileName({ startedAtMs: 0, jumpItemName: '../../etc/"pass\r\nwd', userName: 'änna' }, 'asciicast');
    assert.equal(name, '1970-01-01T0000Z-etc-pass-wd-nna.cast');
    assert.match(fileName({ startedAtMs: 0, jumpItemName: '日本', userName: 'x' }, 'recording'), /Z-unnamed-x\.bsr$/);
  });

  it('of a recording cut in the middle of a frame end with the frame before', async () => {
    await using bench = await startedBench();
    const { session, file, reports } = await recorded(bench, 'hello', { cut: true });
    const withOutput = await reports.detail(session, undefined, 'reader');
    truncateSync(file, statSync(file).size - 3);
    const { recording } = await reports.detail(session, undefined, 'reader');
    assert.equal(recording?.complete, false);
    assert.ok(recording.bytes < withOutput.recording!.bytes);
  });
});
