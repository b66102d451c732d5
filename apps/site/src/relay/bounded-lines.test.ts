import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundedLines } from './bounded-lines.ts';

async function* pieces(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

test('lines come whole, wherever they were cut', async () => {
  const lines = await collect(boundedLines(pieces('on', 'e\ntwo\n\nth', 'ree\nrest'), 5));
  assert.deepEqual(lines, ['one', 'two', '', 'three', 'rest']);
});

test('a line that never ends is given up when it is too long, and not when it has ended', async () => {
  let asked = 0;
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) {
      asked += 1;
      yield Buffer.alloc(100, 'x');
    }
  }
  await assert.rejects(collect(boundedLines(endless(), 250)), /too long/);
  assert.equal(asked, 3);
  await assert.rejects(collect(boundedLines(pieces('ok\n', 'longer\n'), 5)), /too long/);
});
