import assert from 'node:assert/strict';
import { test } from 'node:test';
import headless from '@xterm/headless';
import { SerializeAddon } from '@xterm/addon-serialize';
import { LineSplitter, parseEvent, parseHeader, parseSize } from './asciicast.ts';
import { CastIndex, CHUNK_CHARACTERS, CHUNK_SECONDS, type ShadowTerminal } from './cast-index.ts';
import { searchCast, SEARCH_MAX_HITS } from './cast-search.ts';
import { Playback, type Stage } from './playback.ts';

class Screen implements ShadowTerminal, Stage {
  readonly terminal = new headless.Terminal({ cols: 80, rows: 24, scrollback: 100, allowProposedApi: true });
  readonly #serialize = new SerializeAddon();
  constructor() {
    this.terminal.loadAddon(this.#serialize as never);
  }
  write(text: string): Promise<void> {
    return new Promise((resolve) => this.terminal.write(text, resolve));
  }
  resize(cols: number, rows: number): void {
    this.terminal.resize(cols, rows);
  }
  reset(): void {
    this.terminal.reset();
  }
  capture(): string {
    return this.#serialize.serialize();
  }
  /** What is on the screen, without the history above it. */
  lines(): string[] {
    const { active } = this.terminal.buffer;
    return Array.from(
      { length: this.terminal.rows },
      (_, row) => active.getLine(active.baseY + row)?.translateToString(true) ?? '',
    );
  }
}

const line = (seconds: number, data: string, kind = 'o'): string => JSON.stringify([seconds, kind, data]);

async function indexOf(lines: string[]): Promise<CastIndex> {
  const index = new CastIndex({ version: 2, width: 80, height: 24 }, new Screen());
  await index.append(lines);
  index.finish();
  return index;
}

/** A recording of many chunks: a counter, colours, a size change in the middle. */
function longCast(): string[] {
  const filler = `${'\u001b[32mx\u001b[0m'.repeat(400)}\r\n`;
  const lines: string[] = [];
  for (let second = 0; second < 300; second += 1) {
    if (second === 150) lines.push(line(second, '100x30', 'r'));
    lines.push(line(second, filler), line(second + 0.5, `tick ${second}\r\n`));
  }
  return lines;
}

void test('lines are whole, a torn last one is dropped', () => {
  const splitter = new LineSplitter();
  assert.deepEqual(splitter.push('a\nb'), ['a']);
  assert.deepEqual(splitter.push('c\n\nd'), ['bc']);
});

void test('what is no asciicast is refused in plain words', () => {
  assert.throws(() => parseHeader('{"version":1}'), /asciicast v2/);
  assert.throws(() => parseHeader('nonsense'), /not JSON/);
  assert.throws(() => parseEvent('{"a":1}'), /not an event/);
  assert.throws(() => parseEvent('["1","o","x"]'), /no time/);
  assert.equal(parseEvent('[1,"m","marker"]'), undefined);
  assert.deepEqual(parseSize('80x24'), { cols: 80, rows: 24 });
  assert.equal(parseSize('0x24'), undefined);
  assert.equal(parseSize('99999x1'), undefined);
});

void test('chunks are cut by time and by size', async () => {
  const byTime = await indexOf([line(0, 'a'), line(CHUNK_SECONDS, 'b'), line(2 * CHUNK_SECONDS, 'c')]);
  assert.equal(byTime.chunkCount, 3);
  const bySize = await indexOf([line(0, 'a'.repeat(CHUNK_CHARACTERS)), line(1, 'b')]);
  assert.equal(bySize.chunkCount, 2);
});

void test('a chunk is not cut inside an escape sequence', async () => {
  const index = await indexOf([line(0, 'a\u001b[1'), line(CHUNK_SECONDS, ';31mb'), line(CHUNK_SECONDS + 1, 'c')]);
  assert.equal(index.chunkCount, 2);
  assert.deepEqual(
    (await index.events(0)).map(({ data }) => data),
    ['a\u001b[1', ';31mb'],
  );
});

void test('times never run backwards', async () => {
  const index = await indexOf([line(5, 'a'), line(3, 'b')]);
  assert.deepEqual(
    (await index.events(0)).map(({ seconds }) => seconds),
    [5, 5],
  );
});

void test('after a seek in either direction the screen is what playing from the start would show', async () => {
  const cast = longCast();
  const index = await indexOf(cast);
  assert.ok(index.chunkCount > 3);
  const stage = new Screen();
  const playback = new Playback(index, stage);
  playback.refresh();
  for (const seconds of [299, 10.6, 151, 149.2, 60, 0, 240.4]) {
    playback.seek(seconds);
    await playback.settled();
    const fresh = new Screen();
    for (const text of cast) {
      const event = parseEvent(text);
      if (!event || event.seconds > seconds) break;
      const size = event.kind === 'r' ? parseSize(event.data) : undefined;
      if (size) fresh.resize(size.cols, size.rows);
      else await fresh.write(event.data);
    }
    assert.deepEqual(stage.lines(), fresh.lines(), `at ${seconds} s`);
    assert.equal(stage.terminal.cols, seconds >= 150 ? 100 : 80);
  }
});

void test('playing shows everything, in order, and ends; idle time is cut', async () => {
  const index = await indexOf([line(0, 'one '), line(0.01, 'two '), line(500, 'three')]);
  const stage = new Screen();
  // A clock that runs a second per look: real time is no part of the test.
  let nowMs = 0;
  const playback = new Playback(index, stage, () => (nowMs += 1000));
  playback.refresh();
  playback.play();
  await playback.settled();
  assert.equal(stage.lines()[0], 'one two three');
  assert.deepEqual([playback.state.ended, playback.state.playing, playback.state.positionSeconds], [true, false, 500]);
});

void test('play after the end begins again', async () => {
  const index = await indexOf([line(0, 'once')]);
  const stage = new Screen();
  const playback = new Playback(index, stage);
  playback.refresh();
  playback.play();
  await playback.settled();
  playback.play();
  await playback.settled();
  assert.equal(stage.lines()[0], 'once');
});

void test('text is found across events, escape sequences and chunks, with its time', async () => {
  const index = await indexOf([
    line(1, 'Err'),
    line(2, '\u001b[31mor\u001b[0m: disk\r\n'),
    line(70, 'next er'),
    line(140, 'ror\r\n'),
  ]);
  assert.equal(index.chunkCount, 3);
  const hits = await searchCast(index, 'ERROR', new AbortController().signal);
  assert.deepEqual(
    hits.map(({ seconds, excerpt, from, to }) => [seconds, excerpt.slice(from, to)]),
    [
      [2, 'Error'],
      [140, 'error'],
    ],
  );
  assert.equal(hits[0]?.excerpt, 'Error: disk');
});

void test('the list of hits has an end', async () => {
  const index = await indexOf(Array.from({ length: SEARCH_MAX_HITS + 50 }, (_, second) => line(second, 'hit\r\n')));
  assert.equal((await searchCast(index, 'hit', new AbortController().signal)).length, SEARCH_MAX_HITS);
  assert.equal((await searchCast(index, '', new AbortController().signal)).length, 0);
});
