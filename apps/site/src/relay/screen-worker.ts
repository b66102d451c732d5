/**
 * Makes screens for viewers that come late (wire 4.8), in a thread of its own: follows a session's recording with a headless terminal and serializes it. Nothing is
 * parsed before somebody asks. The terminals of the sessions asked for last are kept, so that asking again costs only what came since.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import serialize from '@xterm/addon-serialize';
import headless from '@xterm/headless';
import { must } from '@bascule/core/must.ts';
import { decodeBody, FrameKind, HASH_BYTES, RECORDING_FRAME_MAX_BYTES } from '@bascule/recording/format.ts';
import { FRAME_PAYLOAD_MAX_BYTES, getUint53 } from '@bascule/wire/frames.ts';
import { decodeSize, OutputRecord, RecordParser } from '@bascule/wire/records.ts';
import type { ScreenAnswer, ScreenRequest } from './screens.ts';

/** Lines above the screen that a late viewer gets. */
const SCROLLBACK_LINES = 2000;
const KEPT_TERMINALS_MAX = 16;
/** A kept terminal further behind than this is dropped, and a new one starts where the request says. */
const FOLLOW_MAX_BYTES = 16 * 1024 * 1024;

interface Follower {
  terminal: InstanceType<typeof headless.Terminal>;
  serializer: InstanceType<typeof serialize.SerializeAddon>;
  parser: RecordParser;
  /** Where the next frame of the file begins. */
  position: number;
  /** Terminal output and sizes that the parser gave out and that are not in the terminal yet. */
  steps: ({ bytes: Uint8Array } | { cols: number; rows: number })[];
}

const followers = new Map<string, Follower>();
const port = must(parentPort, 'the parent port');
let queue = Promise.resolve();

port.on('message', (request: ScreenRequest | { forget: string }) => {
  queue = queue.then(() => ('forget' in request ? forget(request.forget) : answer(request)));
});

function forget(session: string): void {
  followers.get(session)?.terminal.dispose();
  followers.delete(session);
}

async function answer(request: ScreenRequest): Promise<void> {
  let reply: ScreenAnswer;
  try {
    const follower = followerFor(request);
    await follow(follower, request);
    reply = { id: request.id, screen: screenOf(follower) };
  } catch (error) {
    forget(request.session);
    reply = { id: request.id, error: error instanceof Error ? error.message : String(error) };
  }
  port.postMessage(reply);
}

function followerFor(request: ScreenRequest): Follower {
  const kept = followers.get(request.session);
  followers.delete(request.session);
  const follower = kept && request.upTo - kept.parser.offset <= FOLLOW_MAX_BYTES ? kept : newFollower(request);
  if (follower !== kept) kept?.terminal.dispose();
  followers.set(request.session, follower);
  const [oldest] = followers.keys();
  if (followers.size > KEPT_TERMINALS_MAX && oldest !== undefined) forget(oldest);
  return follower;
}

function newFollower({ start }: ScreenRequest): Follower {
  const terminal = new headless.Terminal({
    cols: start.cols,
    rows: start.rows,
    scrollback: SCROLLBACK_LINES,
    allowProposedApi: true,
  });
  const serializer = new serialize.SerializeAddon();
  terminal.loadAddon(serializer);
  const steps: Follower['steps'] = [];
  return { terminal, serializer, parser: newParser(steps, start.boundary), position: start.position, steps };
}

function newParser(steps: Follower['steps'], offset: number): RecordParser {
  return new RecordParser((type, payload) => {
    if (type === OutputRecord.data) steps.push({ bytes: payload.slice() });
    else if (type === OutputRecord.resized) steps.push(decodeSize(payload));
  }, offset);
}

/** Reads the file's frames up to `upTo` bytes of output into the terminal. */
async function follow(follower: Follower, { file, upTo }: ScreenRequest): Promise<void> {
  const descriptor = openSync(file, 'r');
  const buffer = Buffer.allocUnsafe(4 + RECORDING_FRAME_MAX_BYTES + HASH_BYTES);
  try {
    while (follower.parser.offset < upTo) {
      const bytesRead = readSync(descriptor, buffer, 0, buffer.length, follower.position);
      let at = 0;
      while (bytesRead - at >= 5 && follower.parser.offset < upTo) {
        const end = at + 4 + buffer.readUInt32BE(at) + HASH_BYTES;
        if (end > bytesRead) break;
        if (buffer[at + 4] === FrameKind.gap) takeGap(follower, buffer.subarray(at + 5, end - HASH_BYTES));
        if (buffer[at + 4] === FrameKind.output) takeFrame(follower, buffer.subarray(at + 5, end - HASH_BYTES), upTo);
        at = end;
      }
      if (at === 0) throw new Error('the recording ends before the output that was asked for');
      follower.position += at;
      await applySteps(follower);
    }
  } finally {
    closeSync(descriptor);
  }
}

function takeFrame(follower: Follower, body: Buffer, upTo: number): void {
  const offset = getUint53(new DataView(body.buffer, body.byteOffset), 0, 'offset');
  const skip = follower.parser.offset - offset;
  if (skip < 0) throw new Error('the recording has a gap');
  const bytes = body.subarray(16);
  if (offset + bytes.length > upTo) throw new Error('a frame reaches beyond what is recorded');
  if (skip < bytes.length) follower.parser.push(bytes.subarray(skip));
}

/** The terminal stays as it is, and goes on with what comes behind the gap. */
function takeGap(follower: Follower, body: Buffer): void {
  const frame = decodeBody(FrameKind.gap, body, follower.position);
  if (frame.kind === 'gap' && frame.gap.to > follower.parser.offset) follower.parser = newParser(follower.steps, frame.gap.to);
}

async function applySteps(follower: Follower): Promise<void> {
  for (const step of follower.steps) {
    if ('bytes' in step) follower.terminal.write(step.bytes);
    else {
      await written(follower);
      follower.terminal.resize(step.cols, step.rows);
    }
  }
  follower.steps.length = 0;
  await written(follower);
}

function written(follower: Follower): Promise<void> {
  return new Promise((resolve) => follower.terminal.write('', resolve));
}

/** With as much of the lines above as a frame holds. */
function screenOf({ terminal, serializer, parser }: Follower): { offset: number; cols: number; rows: number; text: string } {
  for (let lines = SCROLLBACK_LINES; ; lines = Math.floor(lines / 4)) {
    const text = serializer.serialize({ scrollback: lines });
    const fits = Buffer.byteLength(text) <= FRAME_PAYLOAD_MAX_BYTES;
    if (fits || lines === 0) return { offset: parser.boundary, cols: terminal.cols, rows: terminal.rows, text: fits ? text : '' };
  }
}
