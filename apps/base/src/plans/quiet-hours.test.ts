import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HOURS_OF_WEEK, hourOfWeek, INTERVAL_MAX_HOURS, INTERVAL_MIN_HOURS, proposeWindows } from './quiet-hours.ts';

const HOUR_MS = 3_600_000;
/** A Wednesday, 10:20 UTC. */
const NOW_MS = Date.UTC(2026, 10, 18, 10, 20);
/** Busy by day, quiet at three in the night, and quietest on Sunday at five. */
const WEEK = Array.from({ length: HOURS_OF_WEEK }, (_, hour) => (hour === 5 ? 0 : hour % 24 === 3 ? 1 : hour % 24 > 6 ? 50 : 10));

describe('maintenance windows by the sessions of the last weeks', () => {
  it('counts hours of a week from Sunday 00:00 UTC', () => {
    assert.equal(hourOfWeek(Date.UTC(2026, 10, 22, 5, 30)), 5);
    assert.equal(hourOfWeek(NOW_MS), 3 * 24 + 10);
  });

  it('proposes the quietest hour of the coming week, and the quietest that is a day or three after it', () => {
    const [first, second] = proposeWindows(WEEK, [1800, 1800], NOW_MS);
    assert.equal(first, Date.UTC(2026, 10, 22, 5));
    assert.equal(second, Date.UTC(2026, 10, 23, 3));
    const intervalHours = ((second ?? 0) - (first ?? 0) - 1800_000) / HOUR_MS;
    assert.ok(intervalHours >= INTERVAL_MIN_HOURS && intervalHours <= INTERVAL_MAX_HOURS);
  });

  it('looks at all the hours that a window lasts', () => {
    const [first] = proposeWindows(WEEK, [3 * 3600], NOW_MS);
    assert.equal(first, Date.UTC(2026, 10, 22, 3));
  });

  it('proposes nothing where the site does not say', () => {
    assert.deepEqual(proposeWindows(undefined, [60, 60], NOW_MS), [null, null]);
    assert.deepEqual(proposeWindows([1, 2], [60], NOW_MS), [null]);
  });
});
