import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EscapeFilter } from './escape-filter.ts';

/** What is passed on of pieces typed one after the other, and whether it left. */
function typed(...pieces: string[]): [string, boolean] {
  const filter = new EscapeFilter();
  let passed = '';
  for (const piece of pieces) {
    const { bytes, leaves } = filter.push(Buffer.from(piece));
    passed += Buffer.from(bytes).toString();
    if (leaves) return [passed, true];
  }
  return [passed, false];
}

test('~. leaves at the beginning of a line, in one piece or key by key', () => {
  assert.deepEqual(typed('~.'), ['', true]);
  assert.deepEqual(typed('ls\r~.'), ['ls\r', true]);
  assert.deepEqual(typed('l', 's', '\r', '~', '.'), ['ls\r', true]);
  assert.deepEqual(typed('ls\n~.and more'), ['ls\n', true]);
});

test('everything else arrives as it was typed', () => {
  for (const text of ['ls ~.', 'cd ~/x\r', 'a~.', '~x', '~\r', 'žlutý 🐎 ~.', '\x03\x04\x00\xff'])
    assert.deepEqual(typed(text), [text, false], JSON.stringify(text));
});

test('~~ is one tilde, and is no beginning of a line any more', () => {
  assert.deepEqual(typed('~~.'), ['~.', false]);
  assert.deepEqual(typed('~', '~', '.'), ['~.', false]);
});

test('a tilde is held until the next key says what it is', () => {
  assert.deepEqual(typed('\r~'), ['\r', false]);
  assert.deepEqual(typed('\r~', 'a'), ['\r~a', false]);
  assert.deepEqual(typed('~\r~.'), ['~\r', true]);
});
