import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeCode, typedCode } from './console-code.ts';

test('a code is written in capitals with a dash, however it is typed', () => {
  assert.equal(typedCode('bc'), 'BC');
  assert.equal(typedCode('bcdf'), 'BCDF');
  assert.equal(typedCode('bcdf g'), 'BCDF-G');
  assert.equal(typedCode(' bcdf-ghjk and more'), 'BCDF-GHJK');
});

test('a code is complete with eight letters', () => {
  assert.equal(completeCode('bcdfghjk'), 'BCDF-GHJK');
  assert.equal(completeCode('BCDF-GHJ'), undefined);
  assert.equal(completeCode(''), undefined);
});
