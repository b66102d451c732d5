import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { addGroup, startPair } from './testing.ts';

test(
  'a copy that has not begun is not behind, and one that is behind is an alarm only when it stays so for the limit; a new peer is not missed',
  { timeout: 60_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    const { parts, alarms } = one.pair;
    const { gate, source, watch } = parts;
    one.cut(true);
    other.cut(true);
    await waitUntil('nobody follows', () => !source.isFollowed && !watch.isReachable);
    addGroup(one, 'not there yet');
    let aheadMs = 60 * 60_000;
    parts.now = () => Date.now() + aheadMs;

    // As establishing leaves it: nothing is known of what the other side has, and the first change is old.
    gate.reset();
    watch.meet();
    assert.ok(watch.isReachable, 'they have just spoken');
    assert.ok(!isAlarmAfter(0), 'there is no copy yet');
    assert.ok(!isAlarmAfter(120_000), 'however long the first one takes');

    gate.assume(1);
    assert.ok(!isAlarmAfter(0), 'behind for a moment');
    assert.ok(!isAlarmAfter(50_000));
    assert.ok(isAlarmAfter(20_000), 'it stays behind');

    function isAlarmAfter(ms: number): boolean {
      aheadMs += ms;
      alarms.look();
      return alarms.codes.includes('lag');
    }
  },
);
