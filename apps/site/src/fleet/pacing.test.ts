import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseRange } from './downloads.ts';
import { HEAD_BYTES, lineBytes, Pacing, SLICE_MAX_BYTES, SLICE_MS, TURN_BYTES, type PacedTransfer } from './pacing.ts';

/** A transfer to a client that takes `perWrite` bytes before its socket is full for `drainMs`. */
class TestTransfer implements PacedTransfer {
  left: number;
  doneAtMs: number | undefined;
  readonly #line: Line;
  readonly #drainMs: number;

  constructor(line: Line, bytes: number, drainMs: number) {
    this.left = bytes;
    this.#line = line;
    this.#drainMs = drainMs;
  }

  write(bytes: number): { bytes: number; canGoOn: boolean } {
    const written = Math.min(bytes, this.left);
    this.left -= written;
    this.#line.sent.push({ atMs: this.#line.nowMs, bytes: lineBytes(written), of: this });
    if (this.left === 0) this.doneAtMs = this.#line.nowMs;
    if (this.#drainMs > 0 && this.left > 0) this.#line.wake(this, this.#drainMs);
    return { bytes: written, canGoOn: this.#drainMs === 0 };
  }
}

/** The scheduler on a clock of its own, whose timers come late as the test says. */
class Line {
  nowMs = 10_000;
  readonly sent: { atMs: number; bytes: number; of: TestTransfer }[] = [];
  readonly pacing: Pacing;
  #wakes: { atMs: number; transfer: TestTransfer }[] = [];

  constructor(bytesPerSecond: number | null) {
    this.pacing = new Pacing(bytesPerSecond, this.nowMs);
  }

  add(bytes: number, drainMs = 0): TestTransfer {
    const transfer = new TestTransfer(this, bytes, drainMs);
    this.pacing.ready(transfer, true);
    this.sent.push({ atMs: this.nowMs, bytes: HEAD_BYTES, of: transfer });
    return transfer;
  }

  wake(transfer: TestTransfer, afterMs: number): void {
    this.#wakes.push({ atMs: this.nowMs + afterMs, transfer });
  }

  /** Until everything is sent; `lateMs` is how late each timer comes. */
  run(transfers: readonly TestTransfer[], lateMs: () => number = () => 0): void {
    let waitMs = this.pacing.pump(this.nowMs);
    for (let round = 0; round < 1_000_000 && transfers.some(({ left }) => left > 0); round += 1) {
      const timerMs = waitMs === undefined ? Number.POSITIVE_INFINITY : this.nowMs + waitMs + lateMs();
      const drainMs = Math.min(...this.#wakes.map(({ atMs }) => atMs));
      this.nowMs = Math.min(timerMs, drainMs);
      const due = this.#wakes.filter(({ atMs }) => atMs <= this.nowMs);
      this.#wakes = this.#wakes.filter(({ atMs }) => atMs > this.nowMs);
      for (const { transfer } of due) this.pacing.ready(transfer);
      // As in Downloads: while a timer runs, a socket that drained waits for it.
      if (this.nowMs === timerMs || waitMs === undefined) waitMs = this.pacing.pump(this.nowMs);
      else waitMs = timerMs - this.nowMs;
    }
  }

  /** The most that left within any five seconds. */
  peak(windowMs = 5000): number {
    let peak = 0;
    let sum = 0;
    let first = 0;
    for (const entry of this.sent) {
      sum += entry.bytes;
      while (this.sent[first]!.atMs <= entry.atMs - windowMs) sum -= this.sent[first++]!.bytes;
      peak = Math.max(peak, sum);
    }
    return peak;
  }
}

describe('pacing of downloads', () => {
  it('keeps to the limit over any five seconds, and keeps the line full', () => {
    for (const rate of [10_000, 1_000_000, 12_500_000]) {
      const line = new Line(rate);
      const transfers = Array.from({ length: 50 }, () => line.add(rate * 0.4));
      const beganMs = line.nowMs;
      line.run(transfers);
      const total = line.sent.reduce((sum, { bytes }) => sum + bytes, 0);
      assert.ok(line.peak() <= rate * 5 * 1.05, `${line.peak()} of ${rate * 5}`);
      const ratio = (line.nowMs - beganMs) / ((total / rate) * 1000);
      assert.ok(ratio <= 1.15, `${ratio} of the ideal time at ${rate}`);
    }
  });

  it('keeps to the limit after a lull, and with timers that are late', () => {
    const rate = 1_000_000;
    const line = new Line(rate);
    let seed = 7;
    const late = () => (seed = (seed * 1103515245 + 12345) % 0x7fffffff) % 60;
    const beganMs = line.nowMs;
    const transfers = Array.from({ length: 20 }, () => line.add(500_000));
    line.run(transfers, late);
    assert.ok((line.nowMs - beganMs) / 1000 <= 10 * 1.15);
    line.nowMs += 60_000;
    line.run(
      Array.from({ length: 20 }, () => line.add(500_000)),
      late,
    );
    assert.ok(line.peak() <= rate * 5 * 1.05, `${line.peak()}`);
  });

  it('is fair, and slow clients hold nobody up', () => {
    const line = new Line(1_000_000);
    const slow = line.add(1_000_000, 5000);
    const quick = Array.from({ length: 10 }, () => line.add(400_000, 10));
    line.run(quick);
    const done = quick.map(({ doneAtMs }) => doneAtMs! - 10_000);
    assert.ok(Math.max(...done) - Math.min(...done) < 1000, `${Math.min(...done)} to ${Math.max(...done)} ms`);
    assert.ok(Math.max(...done) < 4000 * 1.15 + 500);
    assert.ok(slow.left > 0);
  });

  it('writes whole records, however many take turns', () => {
    const line = new Line(25_000_000);
    const bytes = 16 * TURN_BYTES;
    const transfers = Array.from({ length: 800 }, () => line.add(bytes));
    line.run(transfers);
    const writes = line.sent.length - transfers.length;
    assert.ok(writes <= transfers.length * 16 * 1.2, `${writes} writes`);
    const done = transfers.map(({ doneAtMs }) => doneAtMs!);
    assert.ok(Math.max(...done) - Math.min(...done) < 1000, 'and nobody gets far ahead');
  });

  it('follows a change of the limit at once', () => {
    const line = new Line(1_000_000);
    line.run([line.add(1_000_000)]);
    line.pacing.setLimit(100_000, line.nowMs);
    line.sent.length = 0;
    line.run([line.add(600_000)]);
    assert.ok(line.peak() <= 100_000 * 5 * 1.05, `${line.peak()}`);
  });

  it('without a limit sends what a slice can bear', () => {
    const line = new Line(null);
    line.run([line.add(SLICE_MAX_BYTES * 3)]);
    assert.ok(line.peak(SLICE_MS) <= SLICE_MAX_BYTES + 64 * 1024 + HEAD_BYTES);
    assert.ok(line.nowMs - 10_000 <= 4 * SLICE_MS);
  });

  it('keeps to the limit whatever clients do', () => {
    const client = fc.record({ bytes: fc.integer({ min: 1, max: 300_000 }), drainMs: fc.constantFrom(0, 1, 30, 400) });
    fc.assert(
      fc.property(
        fc.array(client, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 10_000, max: 500_000 }),
        fc.array(fc.nat(150), { minLength: 1 }),
        (clients, rate, lates) => {
          const line = new Line(rate);
          let turn = 0;
          const transfers = clients.map(({ bytes, drainMs }) => line.add(bytes, drainMs));
          line.run(transfers, () => lates[turn++ % lates.length]!);
          assert.ok(transfers.every(({ left }) => left === 0));
          // One more record at most: what is begun is written whole.
          assert.ok(
            line.peak() <= Math.max(rate * 5 * 1.05, rate * 5 + HEAD_BYTES * clients.length + 2048),
            `${line.peak()} of ${rate * 5}`,
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});

it('takes one range from a start (RFC 9110)', () => {
  assert.deepEqual(parseRange(undefined, 10), { start: 0, end: 10, isPart: false });
  assert.deepEqual(parseRange('bytes=4-', 10), { start: 4, end: 10, isPart: true });
  assert.deepEqual(parseRange('bytes=4-5', 10), { start: 4, end: 6, isPart: true });
  assert.deepEqual(parseRange('bytes=4-99', 10), { start: 4, end: 10, isPart: true });
  for (const bad of ['bytes=10-', 'bytes=5-4', 'bytes=-3', 'bytes=1-2,4-5', 'lines=1-', 'bytes=a-', `bytes=${'9'.repeat(30)}-`])
    assert.equal(parseRange(bad, 10), undefined, bad);
});
