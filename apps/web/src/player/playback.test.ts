import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BEHIND_CHARACTERS, CastCursor } from './cast-cursor.ts';
import { CastIndex, CHUNK_CHARACTERS } from './cast-index.ts';
import { Playback, type Stage } from './playback.ts';
import { Speedometer } from './speedometer.ts';

const line = (seconds: number, data: string) => JSON.stringify([seconds, 'o', data]);

async function indexOf(lines: string[]): Promise<CastIndex> {
  let shown = '';
  const shadow = {
    write: (text: string) => Promise.resolve(void (shown += text)),
    resize: () => undefined,
    capture: () => `<screen after ${shown.length}>`,
  };
  const index = new CastIndex({ version: 2, width: 80, height: 24 }, shadow);
  await index.append(lines);
  index.finish();
  return index;
}

/** A terminal that takes `writeMs` for every write, on a clock of its own. */
class SlowStage implements Stage {
  nowMs = 0;
  written: string[] = [];
  readonly #writeMs: number;

  constructor(writeMs: number) {
    this.#writeMs = writeMs;
  }

  reset(): void {
    this.written = [];
  }
  resize(): void {}
  write(text: string): Promise<void> {
    this.nowMs += this.#writeMs;
    this.written.push(text);
    return Promise.resolve();
  }
}

/** 130 keys a second for ten minutes: so dense that one write per key can never reach a high speed. */
const dense = Array.from({ length: 130 * 600 }, (_, key) => line(key / 130, 'x'));

void test('on dense output the clock follows the wall: what a write costs does not slow it down', async () => {
  const stage = new SlowStage(40);
  const playback = new Playback(await indexOf(dense), stage, () => (stage.nowMs += 5));
  playback.refresh();
  playback.setSpeed(16);
  const measured: number[] = [];
  playback.subscribe(() => {
    if (playback.state.measuredSpeed !== undefined) measured.push(playback.state.measuredSpeed);
    if (playback.state.playing && playback.state.positionSeconds > 60) playback.pause();
  });
  playback.play();
  await playback.settled();
  const { positionSeconds } = playback.state;
  const wallSeconds = stage.nowMs / 1000;
  // The last frame's write is time that is not played any more.
  assert.ok(positionSeconds > 16 * (wallSeconds - 0.15), `${positionSeconds} s in ${wallSeconds} s`);
  assert.ok(positionSeconds <= 16 * wallSeconds);
  assert.ok(stage.written.length < 200, `${stage.written.length} writes for ${Math.round(positionSeconds * 130)} keys`);
  assert.ok(measured.length > 0 && measured.every((speed) => speed > 15.9 && speed <= 16.1));
});

void test('everything due in a frame is one write, in order; a change of size parts it', async () => {
  const size = JSON.stringify([1.5, 'r', '100x30']);
  const cursor = new CastCursor(await indexOf([line(0, 'a'), line(1, 'b'), size, line(2, 'c'), line(9, 'later')]));
  const due = await cursor.advance(0, 2, false);
  assert.deepEqual(due.steps, [
    { kind: 'output', text: 'ab' },
    { kind: 'size', cols: 100, rows: 30 },
    { kind: 'output', text: 'c' },
  ]);
  assert.equal(due.positionSeconds, 2);
});

void test('a terminal that is behind gets the next screen instead of everything before it', async () => {
  const many = Array.from({ length: 12 }, (_, count) => line(count, 'y'.repeat(CHUNK_CHARACTERS / 4)));
  const cursor = new CastCursor(await indexOf(many));
  const due = await cursor.advance(0, 11, false);
  assert.deepEqual(
    due.steps.map((step) => step.kind),
    ['screen', 'output'],
  );
  assert.ok(due.steps.every((step) => step.kind !== 'screen' || step.screen?.text === `<screen after ${2 * CHUNK_CHARACTERS}>`));
  assert.equal(due.positionSeconds, 11);
});

void test('while the terminal follows nothing is left out', async () => {
  const small = BEHIND_CHARACTERS / 8;
  const many = Array.from({ length: 100 }, (_, count) => line(count, 'z'.repeat(small)));
  const cursor = new CastCursor(await indexOf(many));
  let shown = 0;
  for (let second = 0; second < 99; second += 1) {
    for (const step of (await cursor.advance(second, 1, false)).steps) {
      assert.equal(step.kind, 'output');
      if (step.kind === 'output') shown += step.text.length;
    }
  }
  assert.equal(shown, 100 * small);
});

void test('a pause within a frame is cut, and what follows it is played on time', async () => {
  const cursor = new CastCursor(await indexOf([line(0, 'a'), line(100, 'b'), line(101, 'c'), line(103, 'd')]));
  const due = await cursor.advance(0, 3.5, true);
  assert.deepEqual(due.steps, [{ kind: 'output', text: 'abc' }]);
  assert.deepEqual([due.positionSeconds, due.playedSeconds], [101.5, 3.5]);
});

void test('after a long halt of the page the playback goes on where it was', async () => {
  const stage = new SlowStage(0);
  let halted = false;
  const playback = new Playback(await indexOf(dense), stage, () => {
    stage.nowMs += halted ? 3_600_000 : 10;
    halted = true;
    return stage.nowMs;
  });
  playback.refresh();
  playback.subscribe(() => playback.state.playing && playback.state.positionSeconds > 0 && playback.pause());
  playback.play();
  await playback.settled();
  assert.ok(playback.state.positionSeconds < 2.1, String(playback.state.positionSeconds));
});

void test('the speedometer tells what was played in a second', () => {
  const speedometer = new Speedometer();
  assert.equal(speedometer.add(500, 8), undefined);
  assert.equal(speedometer.add(500, 0), 8);
  assert.equal(speedometer.add(1000, 16), 16);
});
