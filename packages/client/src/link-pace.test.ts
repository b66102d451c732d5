import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkPace } from './link-pace.ts';

const SAMPLES = 2_000;
const LOST = { accepted: true, retryAfterMs: undefined };

function spread(sample: () => number): { least: number; most: number } {
  const all = Array.from({ length: SAMPLES }, sample);
  return { least: Math.min(...all), most: Math.max(...all) };
}

test('who lost one of several addresses and has no session leaves those who have, and the takeover, their time; then the site’s window counts', () => {
  for (const [windowMs, within] of [
    [200, 2_000],
    [30_000, 30_000],
  ] as const) {
    const pace = new LinkPace(false);
    pace.accepted({ windowMs, withSessionsWindowMs: 50 });
    const idle = spread(() => pace.waitMs({ ...LOST, withSessions: false, hasOthers: true }));
    assert.ok(idle.least >= 4_000 && idle.most <= 4_000 + within && idle.most - idle.least > within / 2, JSON.stringify(idle));
    const next = spread(() => pace.otherAddressMs(false));
    assert.ok(next.most <= within && next.most > within / 2, JSON.stringify(next));
    assert.ok(spread(() => pace.waitMs({ ...LOST, withSessions: true, hasOthers: true })).most <= 50);
    assert.ok(spread(() => pace.otherAddressMs(true)).most <= 100);
    assert.ok(
      spread(() => pace.waitMs({ ...LOST, withSessions: false, hasOthers: false })).most <= windowMs,
      'a single appliance',
    );
  }
});

test('when the appliance has said when to come back, that counts', () => {
  const pace = new LinkPace(false);
  pace.accepted({ windowMs: 30_000, withSessionsWindowMs: 50 });
  pace.comeBack({ kind: 'come-back', afterMs: 10, withinMs: 20 });
  assert.ok(pace.waitMs({ ...LOST, withSessions: false, hasOthers: true }) <= 30);
});
