import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredFile } from '@bascule/protocol/api/file-store.ts';
import { matching, quotaTone } from './file-store-model.ts';
import { refusalOf } from './upload-queue.ts';

const file = (name: string, description: string, uploadedBy: string) => ({ name, description, uploadedBy }) as StoredFile;

test('files are found by all words, in name, description or person', () => {
  const files = [file('Runbook Rotterdam.pdf', 'Whom to call', 'carla'), file('putty.msi', '', 'admin')];
  const names = (text: string) => matching(files, text).map(({ name }) => name);
  assert.deepEqual(names(''), ['Runbook Rotterdam.pdf', 'putty.msi']);
  assert.deepEqual(names('  CARLA run'), ['Runbook Rotterdam.pdf']);
  assert.deepEqual(names('carla putty'), []);
});

test('a store is said to be nearly full before it is', () => {
  assert.deepEqual(
    [0, 84, 85, 98, 120].map((used) => quotaTone(used, 100)),
    ['ok', 'ok', 'warn', 'bad', 'bad'],
  );
});

test('what cannot be stored is refused before anything is sent', () => {
  assert.equal(refusalOf({ name: 'a.txt', size: 10 }, 10), undefined);
  assert.equal(refusalOf({ name: 'a.txt', size: 11 }, 10), 'large');
  for (const name of ['', '..', 'a/b', 'a\u0007b', '\u202Etxt.exe', 'ü'.repeat(101)])
    assert.equal(refusalOf({ name, size: 1 }, 10), 'name', JSON.stringify(name));
});
