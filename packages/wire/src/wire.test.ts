import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeFrame,
  encodeDrained,
  encodeInput,
  encodeInputAck,
  encodeJson,
  encodeOutput,
  encodeOutputAck,
  encodeScreen,
  FRAME_MAX_BYTES,
  FrameType,
  WireError,
} from './frames.ts';
import { InputReceiver } from './input-receiver.ts';
import { INPUT_QUEUE_MAX_BYTES, INPUT_WINDOW_BYTES, InputSender } from './input-sender.ts';
import { readJsonLines } from './json-lines.ts';
import { OutputSender } from './output-sender.ts';
import { acceptWithPreamble, connectWithPreamble } from './preamble.ts';
import { decodeExit, decodeSize, encodeExit, encodeRecord, encodeSize, OutputRecord, RecordParser } from './records.ts';

const offset = fc.maxSafeNat();
const bytes = fc.uint8Array({ maxLength: 300 });
const origin = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((raw) => Buffer.from(raw).toString('hex'));

/** Runs a property with a seed that a failure names. */
function check<T extends unknown[]>(property: fc.IPropertyWithHooks<T>, numRuns = 500): void {
  fc.assert(property, { numRuns });
}

test('every frame comes back as it was encoded (wire 4.1)', () => {
  check(
    fc.property(offset, offset, bytes, origin, fc.string(), (at, timeUs, payload, who, text) => {
      assert.deepEqual(decodeFrame(encodeOutput(at, timeUs, payload)), {
        type: FrameType.output,
        offset: at,
        timeUs,
        bytes: payload,
      });
      assert.deepEqual(decodeFrame(encodeInput(who, at, payload)), {
        type: FrameType.input,
        origin: who,
        offset: at,
        bytes: payload,
      });
      assert.deepEqual(decodeFrame(encodeInputAck(who, at)), { type: FrameType.inputAck, origin: who, offset: at });
      assert.deepEqual(decodeFrame(encodeOutputAck(at)), { type: FrameType.outputAck, offset: at });
      const shown = text.toWellFormed();
      assert.deepEqual(decodeFrame(encodeScreen(at, 80, 24, shown)), {
        type: FrameType.screen,
        offset: at,
        cols: 80,
        rows: 24,
        text: shown,
      });
      assert.deepEqual(decodeFrame(encodeJson(FrameType.notice, { text: shown })), {
        type: FrameType.notice,
        json: { text: shown },
      });
    }),
  );
  assert.deepEqual(decodeFrame(encodeDrained()), { type: FrameType.drained });
});

test('decoding is zero-copy', () => {
  const frame = encodeOutput(1, 2, new Uint8Array(3));
  const decoded = decodeFrame(frame);
  assert.ok(decoded.type === FrameType.output && decoded.bytes.buffer === frame.buffer);
});

test('fuzz: the decoder takes any bytes, or says what is wrong with them', () => {
  const typed = fc
    .tuple(fc.integer({ min: 0, max: 12 }), fc.uint8Array({ maxLength: 60 }))
    .map(([type, rest]) => Uint8Array.from([type, ...rest]));
  check(
    fc.property(fc.oneof(typed, fc.uint8Array({ maxLength: 100 })), (message) => {
      try {
        decodeFrame(message);
      } catch (error) {
        assert.ok(error instanceof WireError && /^[\w ]+: /.test(error.message), String(error));
      }
    }),
    3000,
  );
  assert.throws(() => decodeFrame(new Uint8Array(FRAME_MAX_BYTES + 1)), WireError);
});

function recordsOf(parts: Uint8Array[]): { type: number; payload: string }[] {
  const records: { type: number; payload: string }[] = [];
  const parser = new RecordParser((type, payload) => records.push({ type, payload: Buffer.from(payload).toString('hex') }));
  for (const part of parts) parser.push(part);
  return records;
}

/** `whole` cut at arbitrary places. */
function cut(whole: Uint8Array, places: number[]): Uint8Array[] {
  const sorted = [...places.map((place) => place % (whole.length + 1)), 0, whole.length].sort((a, b) => a - b);
  return sorted.slice(1).map((end, index) => whole.subarray(sorted[index], end));
}

test('a stream cut anywhere gives the same records (wire 4.2, 5.4)', () => {
  const record = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.uint8Array({ maxLength: 40 }));
  check(
    fc.property(fc.array(record, { maxLength: 20 }), fc.array(fc.nat(2000), { maxLength: 40 }), (list, places) => {
      const whole = Buffer.concat(list.map(([type, payload]) => encodeRecord(type as OutputRecord, payload)));
      const expected = list.map(([type, payload]) => ({ type, payload: Buffer.from(payload).toString('hex') }));
      assert.deepEqual(recordsOf(cut(whole, places)), expected);
      assert.deepEqual(recordsOf(Array.from(whole, (byte) => Uint8Array.of(byte))), expected);
    }),
  );
});

test('fuzz: the record parser never throws anything but WireError, and never keeps more than a record', () => {
  check(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (parts) => {
      try {
        recordsOf(parts);
      } catch (error) {
        assert.ok(error instanceof WireError, String(error));
      }
    }),
    2000,
  );
  assert.throws(() => recordsOf([Uint8Array.of(1, 0, 1, 0, 1)]), /record length/);
});

test('sizes and exits', () => {
  assert.deepEqual(decodeSize(encodeSize(OutputRecord.resized, 300, 70).subarray(5)), { cols: 300, rows: 70 });
  for (const [cols, rows] of [
    [1, 24],
    [1001, 24],
    [80, 0],
    [80, 501],
    [65_535, 65_535],
  ] as [number, number][])
    assert.throws(() => decodeSize(encodeSize(OutputRecord.resized, cols, rows).subarray(5)), WireError);
  assert.deepEqual(decodeExit(encodeExit(-1, 9).subarray(5)), { code: -1, signal: 9 });
});

test('output: whatever is acknowledged and wherever it resumes, the bytes are those appended (wire 4.3, I1)', () => {
  const step = fc.oneof(
    fc.record({ append: fc.uint8Array({ maxLength: 30 }) }),
    fc.record({ acknowledge: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ readFrom: fc.double({ min: 0, max: 1, noNaN: true }), size: fc.integer({ min: 1, max: 50 }) }),
    fc.record({ store: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ resume: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.constant({ suspend: true }),
  );
  check(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const sender = new OutputSender(100);
      let all = Buffer.alloc(0);
      let stored = 0;
      let isLinked = false;
      for (const taken of steps) {
        const before = sender.start;
        const place = (share: number) => sender.start + Math.floor(share * (sender.end - sender.start));
        if ('append' in taken) {
          sender.append(taken.append, 1);
          all = Buffer.concat([all, taken.append]);
        } else if ('acknowledge' in taken) sender.acknowledge(place(taken.acknowledge));
        else if ('store' in taken) {
          stored = Math.max(stored, place(taken.store));
          sender.store(stored);
        } else if ('resume' in taken) {
          stored = place(taken.resume);
          sender.resumeFrom(stored);
          isLinked = true;
        } else if ('suspend' in taken) {
          sender.suspend();
          isLinked = false;
        } else {
          const from = place(taken.readFrom);
          let at = from;
          for (let piece = sender.next(at, taken.size); piece; piece = sender.next(at, taken.size)) {
            assert.deepEqual(Buffer.from(piece.bytes), all.subarray(at, at + piece.bytes.length));
            at += piece.bytes.length;
            if (piece.bytes.length === 0) break;
          }
        }
        const waiting: number = sender.end - (isLinked ? Math.max(stored, sender.start) : sender.start);
        assert.equal(sender.full, waiting >= 100, 'what is on no disk stops the process, and without a link all that is kept');
        if (!('acknowledge' in taken) && sender.start > before) {
          assert.ok(isLinked && sender.start <= stored, 'only what is stored goes, and only while there is a link');
          assert.ok(sender.end - before > 100, 'and not before there is too much');
        }
        assert.equal(sender.end, all.length);
      }
      assert.throws(() => sender.acknowledge(sender.end + 1), WireError);
      if (sender.start > 0) assert.throws(() => sender.next(sender.start - 1, 1), WireError);
    }),
  );
});

test('input: each byte arrives once, through any breaks; what the agent has rules (wire 4.6, 4.7, I1)', () => {
  const step = fc.oneof(
    fc.constant('type'),
    fc.constant('send'),
    fc.constant('deliver'),
    fc.constant('acknowledge'),
    fc.constant('break'),
  );
  check(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 9 }), (steps, size) => {
      const sender = new InputSender();
      const receiver = new InputReceiver();
      const arrived: number[] = [];
      let typed = 0;
      let acknowledged = 0;
      let onTheWay: { offset: number; bytes: Uint8Array }[] = [];
      for (const taken of steps) {
        if (taken === 'type') sender.append(Uint8Array.of(typed & 255, (typed++ >> 8) & 255));
        else if (taken === 'send') {
          const piece = sender.take(size);
          if (piece) onTheWay.push(piece);
        } else if (taken === 'deliver') {
          const piece = onTheWay.shift();
          if (piece) arrived.push(...(receiver.accept('o', piece.offset, piece.bytes) ?? []));
        } else if (taken === 'acknowledge') sender.confirm((acknowledged = receiver.received('o')));
        else {
          // A viewer's new link is told what the relay knows, which may be older than what the agent has.
          if (taken === 'break') acknowledged = receiver.received('o');
          onTheWay = [];
          sender.resumeFrom(acknowledged);
        }
      }
      sender.resumeFrom(acknowledged);
      for (let piece = sender.take(size); piece; piece = sender.take(size))
        arrived.push(...(receiver.accept('o', piece.offset, piece.bytes) ?? []));
      assert.equal(arrived.length, typed * 2);
      for (let index = 0; index < typed; index++) assert.equal(arrived[index * 2]! | (arrived[index * 2 + 1]! << 8), index);
    }),
  );
});

test('input: a gap is refused, a window and a queue are never exceeded', () => {
  assert.throws(() => new InputReceiver().accept('o', 1, new Uint8Array(1)), /leaves a gap/);
  const sender = new InputSender();
  assert.equal(sender.append(new Uint8Array(INPUT_QUEUE_MAX_BYTES)), true);
  assert.equal(sender.append(new Uint8Array(1)), false);
  let sent = 0;
  for (let piece = sender.take(100_000); piece; piece = sender.take(100_000)) sent += piece.bytes.length;
  assert.equal(sent, INPUT_WINDOW_BYTES);
  assert.throws(() => sender.confirm(INPUT_QUEUE_MAX_BYTES + 1), WireError);
});

test('JSON lines: values in any pieces; too long or no JSON ends the connection', async () => {
  const values: unknown[] = [];
  const stream = new PassThrough();
  readJsonLines(stream, 30, (value) => values.push(value));
  for (const byte of Buffer.from('{"a":"ü"}\n[1]\n')) stream.write(Buffer.of(byte));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(values, [{ a: 'ü' }, [1]]);
  for (const bad of ['x'.repeat(31), 'nonsense\n']) {
    const broken = new PassThrough();
    readJsonLines(broken, 30, () => {});
    broken.write(bad);
    const [error] = (await once(broken, 'error')) as [Error];
    assert.ok(error instanceof WireError);
  }
});

test('preamble: a sound one is taken and what follows stays unread; a forged one is closed without an answer (wire 2.1, 2.2)', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-preamble-'));
  const path = join(directory, 's.sock');
  const accepted: string[] = [];
  const server = await acceptWithPreamble(path, (socket, peer) => {
    socket.on('data', (text: Buffer) => {
      accepted.push(`${peer.address}:${peer.port} ${text.toString()}`);
      socket.end('taken');
    });
    socket.resume();
  });
  try {
    const good = connectWithPreamble(path, { address: '192.0.2.7', port: 99 });
    good.write('GET /');
    assert.equal(await textOf(good), 'taken');
    assert.deepEqual(accepted, ['192.0.2.7:99 GET /']);
    const forged = [
      'GET / HTTP/1.1\r\n\r\n',
      'BASCULE/1 {"address":5,"port":1}\n',
      'BASCULE/1 nonsense\n',
      `BASCULE/1 ${' '.repeat(2000)}`,
      'BASCULE/2 {}\n',
    ];
    for (const text of forged) {
      const socket = connect(path);
      socket.write(text);
      assert.equal(await textOf(socket), '');
    }
    assert.equal(accepted.length, 1);
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.on('error', () => {});
  if (!socket.closed) await once(socket, 'close');
  return text;
}
