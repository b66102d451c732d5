import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maskText, readMask } from './subnet-mask.ts';

test('a mask is read as it is written, and back', () => {
  for (let prefix = 1; prefix <= 32; prefix++) assert.equal(readMask(maskText(prefix, '192.0.2.1'), '192.0.2.1'), prefix);
  assert.equal(maskText(24, '192.0.2.1'), '255.255.255.0');
  assert.equal(maskText(20, '192.0.2.1'), '255.255.240.0');
  for (const text of ['24', '/24', ' 255.255.255.0 ']) assert.equal(readMask(text, '192.0.2.1'), 24);
  assert.equal(readMask('/64', '2001:db8::1'), 64);
});

test('what is no mask is none', () => {
  for (const text of ['', '0', '33', '255.255.255', '255.0.255.0', '256.0.0.0', '0.0.0.0', 'x'])
    assert.equal(readMask(text, '192.0.2.1'), undefined, text);
  for (const text of ['255.255.255.0', '129']) assert.equal(readMask(text, '2001:db8::1'), undefined, text);
});
