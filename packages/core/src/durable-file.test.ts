import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { writeFileDurably, writeFileDurablySync, writeNewFile, writeNewFileSync } from './durable-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bascule-durable-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the new text replaces the old one, with the mode asked for, and nothing stays beside it', async () => {
  const file = join(folder, 'note');
  writeFileDurablySync(file, 'first');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  await writeFileDurably(file, Buffer.from('second'), 0o644);
  assert.equal(readFileSync(file, 'utf8'), 'second');
  assert.equal(statSync(file).mode & 0o777, 0o644);
  assert.deepEqual(readdirSync(folder), ['note']);
});

test('what a cut left of the temporary file does no harm, and a link of its name is not followed', () => {
  const file = join(folder, 'note');
  const other = join(folder, 'other');
  writeFileSync(other, 'of somebody else');
  symlinkSync(other, `${file}.next`);
  writeFileDurablySync(file, 'text');
  writeFileSync(`${file}.mine`, 'half of a longer te');
  writeFileDurablySync(file, 'again', { temporary: `${file}.mine` });
  assert.equal(readFileSync(file, 'utf8'), 'again');
  assert.equal(readFileSync(other, 'utf8'), 'of somebody else');
  assert.deepEqual(readdirSync(folder).sort(), ['note', 'other']);
});

test('when it cannot be written, the old one stays and nothing beside it', async () => {
  const taken = join(folder, 'taken');
  mkdirSync(join(taken, 'inner'), { recursive: true });
  assert.throws(() => writeFileDurablySync(taken, 'text'));
  await assert.rejects(writeFileDurably(taken, 'text'));
  assert.deepEqual(readdirSync(folder), ['taken']);
});

test('a new file never replaces another', async () => {
  const file = join(folder, 'key');
  writeNewFileSync(file, 'one');
  assert.throws(() => writeNewFileSync(file, 'two'), { code: 'EEXIST' });
  await assert.rejects(writeNewFile(file, 'two'), { code: 'EEXIST' });
  assert.equal(readFileSync(file, 'utf8'), 'one');
});
