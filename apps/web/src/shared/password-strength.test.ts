import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guessBits, strengthOf } from './password-strength.ts';

test('what everybody tries is weak, however it is disguised', () => {
  for (const password of [
    '',
    'password',
    'P4$$w0rd2026!',
    'qwertzuiop',
    'abcdefghijkl',
    'Backup2026',
    'aaaaaaaaaaaaaaaa',
    'Summer2026!',
    '123456789012',
  ])
    assert.equal(strengthOf(password), 'weak', password);
});

test('length counts more than odd characters', () => {
  for (const password of ['nine green bottles on a wall', 'drei Kamele essen leise Wackelpudding', 'xQ7vTp2kWmZr9LbN'])
    assert.equal(strengthOf(password), 'strong', password);
  assert.ok(guessBits('nine green bottles') > guessBits('n1n3Gr33n'));
  for (const password of ['Tr0ub4dor&3', 'kettle-bridge']) assert.ok(['fair', 'weak'].includes(strengthOf(password)), password);
});

test('the same again adds hardly anything, and a very long password ends', () => {
  assert.ok(guessBits('kettle kettle kettle kettle') < guessBits('kettle bridge'));
  assert.ok(guessBits('word '.repeat(20_000)) < 200);
});
