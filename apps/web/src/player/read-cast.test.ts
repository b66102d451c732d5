import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CastIndex } from './cast-index.ts';
import { readCast } from './read-cast.ts';

const shadow = { write: () => Promise.resolve(), resize: () => undefined, capture: () => '' };

async function read(pieces: (string | Error)[]): Promise<{ index: CastIndex | undefined; error: unknown }> {
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else if (piece instanceof Error) controller.error(piece);
      else controller.enqueue(new TextEncoder().encode(piece));
    },
  });
  let index: CastIndex | undefined;
  const error = await readCast(body, shadow, { onIndex: (made) => (index = made), onGrown: () => undefined }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { index, error };
}

void test('lines may be cut anywhere', async () => {
  const { index, error } = await read(['{"version":2,"wid', 'th":80,"height":24}\n[0,"o","a"]\n[1.5,', '"o","b"]\n']);
  assert.equal(error, undefined);
  assert.equal(index?.durationSeconds, 1.5);
  assert.ok(index.complete);
});

void test('what came before a break can be played', async () => {
  const { index, error } = await read(['{"version":2,"width":80,"height":24}\n[0,"o","a"]\n', new Error('network')]);
  assert.match(String(error), /network/);
  assert.ok(index?.complete);
  assert.equal((await index.events(0)).length, 1);
});

void test('an empty answer is no recording', async () => {
  const { index, error } = await read([]);
  assert.equal(index, undefined);
  assert.match(String(error), /empty/);
});
