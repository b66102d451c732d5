import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { findFields, placeholderOf } from './msi-fields.ts';
import { guidOf, msiSource } from './msi-source.ts';
import { commonRun } from './windows-installers.ts';
import { missingTools } from './windows-parts.ts';

const fields = ['SITE', 'KEY', 'MODE', 'WAITSFOR'] as const;

test('a field that is missing or there twice is an error at the build, not on a machine', () => {
  const whole = Buffer.from(fields.map(placeholderOf).join('-'));
  assert.deepEqual(findFields(whole).KEY, { offset: 273, bytes: 136 });
  assert.throws(() => findFields(whole.subarray(1)), /SITE once/);
  assert.throws(() => findFields(Buffer.concat([whole, Buffer.from(placeholderOf('MODE'))])), /MODE once/);
});

test('the run of bytes that two packages share is found whole', () => {
  const run = randomBytes(20_000);
  const first = Buffer.concat([Buffer.from('first'), run, Buffer.from('x')]);
  const second = Buffer.concat([Buffer.from('and the second'), run, Buffer.from('and more')]);
  assert.deepEqual(commonRun(first, second), run);
  assert.equal(commonRun(first, Buffer.alloc(30_000)), undefined);
});

test('codes are the same for the same words, and no others', () => {
  assert.match(guidOf('a'), /^\{[0-9A-F]{8}-[0-9A-F]{4}-8[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}\}$/);
  assert.equal(guidOf('a', 'b'), guidOf('a', 'b'));
  assert.notEqual(guidOf('a', 'b'), guidOf('ab'));
});

test('what a name holds cannot become WiX', () => {
  const source = msiSource({
    program: 'jump-client',
    title: 'A & B <"C">',
    version: '1.2.3',
    files: [{ path: 'a.exe', source: 'part0' }],
    main: 'a.exe',
    registry: {},
    properties: {},
    service: null,
  });
  assert.ok(source.includes('Name="A &amp; B &lt;&quot;C&quot;>"'));
});

test('missing tools are named by their Debian packages', () => {
  assert.deepEqual(missingTools('/nonexistent'), ['gcc-mingw-w64-x86-64', 'wixl', 'msitools']);
});
