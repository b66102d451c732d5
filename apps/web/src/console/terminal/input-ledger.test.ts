import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forgetInput, InputLedger, keystrokesIn, LEDGER_MAX_ENTRIES, lostKeystrokes, rememberedInput } from './input-ledger.ts';

const ORIGIN = '0123456789abcdef0123456789abcdef';

function storage(): Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}

void test('keystrokes count until their bytes are confirmed', () => {
  const ledger = new InputLedger(ORIGIN);
  ledger.sent(6, 1);
  ledger.sent(13, 2);
  ledger.confirmed(5);
  assert.equal(ledger.unconfirmed, 3);
  ledger.confirmed(6);
  assert.equal(ledger.unconfirmed, 2);
  ledger.confirmed(13);
  assert.equal(ledger.unconfirmed, 0);
});

void test('waiting begins with the first input and anew with everything that is confirmed', () => {
  let nowMs = 100;
  const ledger = new InputLedger(ORIGIN, () => nowMs);
  assert.equal(ledger.waitingSinceMs, undefined);
  ledger.sent(6, 1);
  nowMs = 200;
  ledger.sent(13, 1);
  assert.equal(ledger.waitingSinceMs, 100);
  nowMs = 300;
  ledger.confirmed(3);
  assert.equal(ledger.waitingSinceMs, 100);
  ledger.confirmed(6);
  assert.equal(ledger.waitingSinceMs, 300);
  ledger.confirmed(13);
  assert.equal(ledger.waitingSinceMs, undefined);
});

void test('after a reload the page knows how many characters did not arrive', () => {
  const kept = storage();
  const ledger = new InputLedger(ORIGIN);
  ledger.sent(6, 1);
  ledger.sent(13, 2);
  ledger.sent(20, 4);
  ledger.remember(kept, 'acs_1');
  const previous = rememberedInput(kept, 'acs_1');
  assert.ok(previous);
  assert.equal(previous.origin, ORIGIN);
  assert.equal(lostKeystrokes(previous, 13), 4);
  assert.equal(lostKeystrokes(previous, 20), 0);
  assert.equal(rememberedInput(kept, 'acs_2'), undefined);
  forgetInput(kept, 'acs_1');
  assert.equal(rememberedInput(kept, 'acs_1'), undefined);
});

void test('nothing unconfirmed is nothing to ask about, nonsense neither', () => {
  const kept = storage();
  new InputLedger(ORIGIN).remember(kept, 'acs_1');
  assert.equal(rememberedInput(kept, 'acs_1'), undefined);
  kept.setItem('bascule.input.acs_1', '{"origin":"x","entries":[[1,1]]}');
  assert.equal(rememberedInput(kept, 'acs_1'), undefined);
});

void test('what is kept is bounded, and holds places and counts only', () => {
  const kept = storage();
  const ledger = new InputLedger(ORIGIN);
  for (let press = 1; press <= 1000; press += 1) ledger.sent(press * 6, 1);
  assert.equal(ledger.unconfirmed, 1000);
  ledger.remember(kept, 'acs_1');
  assert.equal(rememberedInput(kept, 'acs_1')?.entries.length, LEDGER_MAX_ENTRIES);
});

void test('an arrow is one keystroke, a paste is its characters', () => {
  assert.equal(keystrokesIn('\u001b[A'), 1);
  assert.equal(keystrokesIn('a'), 1);
  assert.equal(keystrokesIn('héé😀'), 4);
  assert.equal(keystrokesIn('\u001b[200~hello world\u001b[201~'), 23);
});
