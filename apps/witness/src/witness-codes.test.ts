import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { WitnessCodes } from './witness-codes.ts';

test('a code is of the site that used it first, ends, and what a power cut left is no hindrance', (t) => {
  const state = mkdtempSync(join(tmpdir(), 'bascule-codes-'));
  t.after(() => rmSync(state, { recursive: true }));
  let nowMs = 1000;
  const codes = new WitnessCodes(state, () => nowMs);
  const secret = codes.make(5000);
  writeFileSync(join(state, 'codes', 'half.json.next'), '{"endsAt');
  const other = codes.make(5000);
  assert.equal(readdirSync(join(state, 'codes')).length, 2);
  assert.deepEqual([codes.use(secret, 'a'), codes.use(secret, 'b'), codes.use(secret, 'a')], [true, false, true]);
  nowMs += 5000;
  assert.deepEqual([codes.use(other, 'a'), codes.use('guess', 'a')], [false, false]);
});
