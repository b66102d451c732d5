import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { PeerPlan, SHOWN_LIFE_MS, shownPlan } from './plan-shown.ts';
import { PLAN, TwoAppliances } from './testing.ts';

describe('the plan that the other appliance runs', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-peer-plan-'));
  const file = join(directory, 'peer-plan.json');
  after(() => rmSync(directory, { recursive: true }));
  const plan = { ...shownPlan(PLAN, 'A', TwoAppliances.record('rolling')), state: 'running' as const };

  it('is known to the next base too, and not for ever', () => {
    let nowMs = 1_000_000;
    const first = new PeerPlan(file, () => nowMs);
    assert.equal(first.latest(), undefined);
    assert.deepEqual([first.take(plan), first.take(plan), first.take({ id: 'other' })], [true, false, false]);
    const next = new PeerPlan(file, () => nowMs);
    assert.deepEqual([next.isUnderWay(), next.latest()?.id], [true, PLAN]);
    nowMs += SHOWN_LIFE_MS + 1;
    assert.deepEqual([next.isUnderWay(), next.latest()], [false, undefined]);
  });

  it('is not known when what was noted cannot be read', () => {
    writeFileSync(file, '{"plan":');
    assert.equal(new PeerPlan(file, Date.now).latest(), undefined);
  });
});
