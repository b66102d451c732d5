import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Presence } from './presence.ts';

const MINUTE_MS = 60_000;

test('a page left alone stops counting as somebody, and a key makes it count again', () => {
  let nowMs = 0;
  const page = new EventTarget();
  const presence = new Presence(page, () => nowMs);
  assert.equal(presence.isThere(), true);
  nowMs = MINUTE_MS;
  assert.equal(presence.isThere(), false);
  page.dispatchEvent(new Event('keydown'));
  assert.equal(presence.isThere(), true);
});

test('somebody who works without requests is made known, but not with every key', () => {
  let nowMs = 0;
  let told = 0;
  const page = new EventTarget();
  const presence = new Presence(page, () => nowMs);
  presence.onUnknown = () => (told += 1);
  for (nowMs = 0; nowMs <= 9 * MINUTE_MS; nowMs += 1_000) page.dispatchEvent(new Event('keydown'));
  assert.equal(told, 2);
  presence.isThere();
  nowMs += 3 * MINUTE_MS;
  page.dispatchEvent(new Event('wheel'));
  assert.equal(told, 2, 'a request has said so already');
});
