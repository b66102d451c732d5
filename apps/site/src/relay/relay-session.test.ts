import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { WebSocket } from 'ws';
import type { FromRelay } from '@bascule/protocol/relay-control.ts';
import { RecordingWriter } from '@bascule/recording/writer.ts';
import { decodeFrame, encodeInput, encodeOutput, FrameType, type Frame } from '@bascule/wire/frames.ts';
import { encodeExit, encodeRecord, OutputRecord } from '@bascule/wire/records.ts';
import { FrameLink } from './frame-link.ts';
import { LiveRecording, LiveRecordings } from './live-recordings.ts';
import { OutputTrack } from './output-track.ts';
import { AGENT_WAITING_MAX_BYTES, RelaySession } from './relay-session.ts';
import { Screens } from './screens.ts';
import { CLIENT, HEADER, LOGIN_SESSION, pair, SESSION, until, USER } from './testing.ts';

const PAUSE_LIMIT_MS = 60_000;
const ORIGIN = 'ab'.repeat(16);
const QUIET = { hello: () => {}, frame: () => {}, closed: () => {} };
const data = (text: string) => encodeRecord(OutputRecord.data, Buffer.from(text));

/** One session whose clock and free space the test is; `say` is a frame that the agent's link had read before it was paused. */
class Bench {
  readonly directory = mkdtempSync(join(tmpdir(), 'bascule-session-'));
  readonly file = join(this.directory, 's.bsr');
  readonly messages: FromRelay[] = [];
  readonly screens = new Screens();
  readonly #closers: (() => void)[] = [];
  session!: RelaySession;
  writer!: RecordingWriter;
  agent!: FrameLink;
  agentSocket!: WebSocket;
  #at = 0;

  static async open(): Promise<Bench> {
    const bench = new Bench();
    bench.writer = await RecordingWriter.create(bench.file, HEADER, { checkGeneration: () => {} });
    bench.session = new RelaySession({
      session: SESSION,
      client: CLIENT,
      file: bench.file,
      writer: bench.writer,
      track: new OutputTrack(HEADER.size),
      live: new LiveRecording('s.bsr', bench.file, { fileBytes: 0, outBytes: 0 }),
      pair: { waits: 'none', hasFollower: false, recordings: new LiveRecordings() },
      mayLack: false,
      limits: {
        recordingMaxBytes: 1e9,
        reserveBytes: 1000,
        recordingPauseLimitMs: PAUSE_LIMIT_MS,
        sessionBytesPerSecond: 1e9,
        sessionBurstBytes: 1e9,
      },
      screens: bench.screens,
      emit: (message) => bench.messages.push(message),
      fenced: (error) => assert.fail(error),
    });
    const { link, client } = await bench.link();
    bench.agent = link;
    bench.agentSocket = client;
    bench.session.attachAgent(bench.agent, { v: 1, session: SESSION, ticket: 'unused', outStart: 0, outEnd: 0, inputs: {} });
    return bench;
  }

  async link(): Promise<{ link: FrameLink; frames: Frame[]; client: WebSocket }> {
    const { server, accepted, client } = await pair();
    const frames: Frame[] = [];
    client.on('message', (message: Buffer) => frames.push(decodeFrame(message)));
    this.#closers.push(() => {
      client.terminate();
      server.close();
    });
    return { link: new FrameLink(accepted, QUIET), frames, client };
  }

  async viewer(origin = ORIGIN): Promise<Frame[]> {
    const { link, frames } = await this.link();
    this.session.attachViewer(link, { v: 1, ticket: 'unused', origin, outFrom: 0 }, { user: USER, loginSession: LOGIN_SESSION });
    await until(() => frames.length > 0, 'WELCOME');
    return frames;
  }

  say(text: string): void {
    this.#output(data(text));
  }

  /** The far process is gone, by a signal. */
  exit(): void {
    this.#output(encodeExit(-1, 1));
  }

  #output(record: Uint8Array): void {
    const message = Buffer.from(encodeOutput(this.#at, 1, record));
    this.#at += record.length;
    this.session.agentFrame(this.agent, decodeFrame(message), message);
  }

  async close(): Promise<void> {
    await this.session.stop(4006);
    await this.screens.close();
    for (const close of this.#closers) close();
    rmSync(this.directory, { recursive: true });
  }
}

async function withBench(work: (bench: Bench) => Promise<void>): Promise<void> {
  const bench = await Bench.open();
  try {
    await work(bench);
  } finally {
    await bench.close();
  }
}

function shownEnd(frames: Frame[]): number {
  return Math.max(0, ...frames.map((frame) => (frame.type === FrameType.output ? frame.offset + frame.bytes.length : 0)));
}

const isPaused = (frame: Frame): boolean =>
  frame.type === FrameType.notice && (frame.json as { kind: string; paused?: boolean }).paused === true;

test('while the recording is paused viewers, old and new, see only what is on the disk; afterwards all of it (wire 4.4)', () =>
  withBench(async (bench) => {
    const before = await bench.viewer();
    bench.say('seen');
    await until(() => bench.writer.recordedBytes === 9 && shownEnd(before) === 9, 'the first record');
    bench.session.sweep(Date.now(), true);
    bench.say('unseen');
    assert.equal(bench.writer.recordedBytes, 9, 'it is not on the disk yet');
    const come = bench.viewer('cd'.repeat(16));
    await until(() => before.some(isPaused), 'the notice of the pause');
    assert.equal(shownEnd(before), 9);
    const after = await come;
    await until(() => after.some(isPaused), 'the notice of the pause');
    await until(() => bench.writer.recordedBytes === 20, 'the second record on the disk');
    assert.equal(shownEnd(before), 9, 'nothing is forwarded during the pause');
    bench.say('!');
    bench.session.sweep(Date.now(), false);
    await until(() => shownEnd(before) === 26 && shownEnd(after) === 26, 'both to see the rest');
    bench.say('live');
    await until(() => shownEnd(before) === 35 && shownEnd(after) === 35, 'both to be live again');
  }));

test('a person who comes during a pause does not see what waits for the disk', () =>
  withBench(async (bench) => {
    bench.session.sweep(Date.now(), true);
    // The disk is full: what waits goes on waiting.
    bench.writer.flush = () => Promise.reject(new Error('ENOSPC'));
    bench.say('never recorded');
    const frames = await bench.viewer();
    await until(() => frames.some(isPaused), 'the notice of the pause');
    bench.session.sweep(Date.now() + PAUSE_LIMIT_MS + 1, true);
    await until(
      () => frames.some((frame) => frame.type === FrameType.notice && (frame.json as { kind: string }).kind === 'ended'),
      'the end',
    );
    assert.equal(shownEnd(frames), 0);
    assert.equal(bench.writer.recordedBytes, 0);
  }));

test('when patience ends while a batch is under way, the head that is told is that of the file', () =>
  withBench(async (bench) => {
    bench.session.sweep(Date.now(), true);
    bench.say('under way');
    bench.session.sweep(Date.now() + PAUSE_LIMIT_MS + 1, true);
    const find = () => bench.messages.find((message) => message.kind === 'session-ended');
    await until(() => find() !== undefined, 'session-ended');
    const ended = find()!;
    await until(() => bench.writer.recordedBytes === 14, 'the batch on the disk');
    assert.deepEqual([ended.reason, ended.outBytes, ended.headSha256], ['recording-failed', 14, bench.writer.headSha256]);
  }));

test('what waits for an agent that does not read is limited over all origins; when it reads again, viewers go on', () =>
  withBench(async (bench) => {
    const { link: watching, frames } = await bench.link();
    const who = { user: USER, loginSession: LOGIN_SESSION };
    bench.session.attachViewer(watching, { v: 1, ticket: 'unused', origin: ORIGIN, outFrom: 0 }, who);
    bench.agentSocket.pause();
    for (let index = 0; index < 60; index++) {
      const origin = index.toString(16).padStart(32, '0');
      const { link } = await bench.link();
      const viewer = bench.session.attachViewer(link, { v: 1, ticket: 'unused', origin, outFrom: 0 }, who)!;
      const message = Buffer.from(encodeInput(origin, 0, new Uint8Array(250_000)));
      bench.session.viewerFrame(viewer, decodeFrame(message), message);
      bench.session.viewerClosed(viewer);
      link.close(1000, '');
    }
    assert.ok(bench.agent.waitingBytes < AGENT_WAITING_MAX_BYTES + 300_000, `${bench.agent.waitingBytes}`);
    const notices = () => frames.flatMap((frame) => (frame.type === FrameType.notice ? [frame.json] : []));
    await until(() => notices().length === 1, 'the agent to count as away');
    assert.deepEqual(notices(), [{ kind: 'agent', connected: false }]);
    bench.agentSocket.resume();
    await until(() => bench.agent.waitingBytes === 0, 'the agent to have read');
    bench.session.check(Date.now());
    await until(() => frames.at(-1)?.type === FrameType.inputAck, 'the INPUT_ACK from which the viewer goes on');
    assert.deepEqual(notices().at(-1), { kind: 'agent', connected: true });
  }));

test('what main asked for is the reason of the end, also when the process that it had stopped is heard of first', () =>
  withBench(async (bench) => {
    const { session, messages } = bench;
    bench.say('ready');
    bench.exit();
    setImmediate(() => session.end('user-disabled', 5000));
    await until(() => messages.some(({ kind }) => kind === 'session-ended'), 'the end');
    const ended = messages.find((message) => message.kind === 'session-ended');
    assert.deepEqual([ended?.reason, ended?.exitCode], ['user-disabled', null]);
  }));
