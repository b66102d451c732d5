import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changedFontSize, FONT_SIZE_MAX, FONT_SIZE_MIN, readPreferences, writePreferences } from './terminal-preferences.ts';

function storage(text: string | null = null): Pick<Storage, 'getItem' | 'setItem'> {
  let kept = text;
  return { getItem: () => kept, setItem: (_key, value) => void (kept = value) };
}

void test('what is written is read again', () => {
  const kept = storage();
  writePreferences(kept, { fontSize: 18, fontFamily: 'system', screenReader: true });
  assert.deepEqual(readPreferences(kept), { fontSize: 18, fontFamily: 'system', screenReader: true });
});

void test('nothing, nonsense and closed storage give the defaults; one bad value does not take the others along', () => {
  const defaults = { fontSize: 14, fontFamily: 'jetbrains', screenReader: false };
  assert.deepEqual(readPreferences(storage()), defaults);
  assert.deepEqual(readPreferences(storage('{{')), defaults);
  assert.deepEqual(readPreferences(storage('7')), defaults);
  const closed = {
    getItem: (): string => {
      throw new Error('denied');
    },
    setItem: (): void => {
      throw new Error('denied');
    },
  };
  assert.deepEqual(readPreferences(closed), defaults);
  assert.doesNotThrow(() => writePreferences(closed, readPreferences(closed)));
  assert.deepEqual(readPreferences(storage('{"fontSize":900,"screenReader":true}')), { ...defaults, screenReader: true });
});

void test('the font size stays within its limits', () => {
  const preferences = readPreferences(storage());
  assert.equal(changedFontSize(preferences, 100).fontSize, FONT_SIZE_MAX);
  assert.equal(changedFontSize(preferences, -100).fontSize, FONT_SIZE_MIN);
  assert.equal(changedFontSize(preferences, 1).fontSize, 15);
});
