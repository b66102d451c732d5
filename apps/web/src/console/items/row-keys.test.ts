import assert from 'node:assert/strict';
import { test } from 'node:test';
import { movedSelection } from './row-keys.ts';

void test('arrows, pages and ends stay within the list', () => {
  assert.equal(movedSelection('ArrowDown', -1, 10, 4), 0);
  assert.equal(movedSelection('ArrowDown', 9, 10, 4), 9);
  assert.equal(movedSelection('ArrowUp', -1, 10, 4), 0);
  assert.equal(movedSelection('ArrowUp', 5, 10, 4), 4);
  assert.equal(movedSelection('PageDown', 5, 10, 4), 9);
  assert.equal(movedSelection('PageUp', 5, 10, 4), 1);
  assert.equal(movedSelection('Home', 5, 10, 4), 0);
  assert.equal(movedSelection('End', 5, 10, 4), 9);
});

void test('other keys, and an empty list, move nothing', () => {
  assert.equal(movedSelection('a', 5, 10, 4), undefined);
  assert.equal(movedSelection('ArrowDown', -1, 0, 4), undefined);
});
