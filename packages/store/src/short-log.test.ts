import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepLogShort } from './short-log.ts';
import { openTestStore } from './testing.ts';

test('the log of a store that nobody follows is trimmed until that is ended; a fault is told, and tried again', async () => {
  using database = openTestStore([]);
  const { store } = database;
  const twice = Promise.withResolvers<void>();
  let faults = 0;
  store.trimLog = () => Promise.reject(new Error('the disk is full'));
  const end = keepLogShort(store, () => (faults += 1) === 2 && twice.resolve(), 5);
  await twice.promise;
  end();
  const after = faults;
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(faults, after);
});
