import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { must } from '@bascule/core/must.ts';
import { createLog } from '@bascule/log/log.ts';
import { Store, SYSTEM } from '@bascule/store/store.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { planMade } from './plan-events.ts';
import { PlanJournal } from './plan-journal.ts';
import { planMigrations } from './plan-migrations.ts';
import { PlanRunner, type RunnerOptions } from './plan-runner.ts';
import type { PlanPorts } from './plan-ports.ts';
import { PLAN, TwoAppliances } from './testing.ts';

const PORTS = { withoutServiceMs: () => 5, now: () => 1 } as PlanPorts;

describe('running a plan', () => {
  let directory: string;
  let store: Store;
  let journal: PlanJournal;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bascule-runner-'));
    const log = createLog('test', 'silent');
    store = Store.open({ path: join(directory, 'box.db'), migrations: planMigrations, appliance: 'A', log });
    journal = new PlanJournal(store);
    const record = TwoAppliances.record('single');
    journal.write(SYSTEM, planMade({ plan: PLAN, planKind: 'single', appliances: 'A' }), { id: PLAN, record });
  });
  afterEach(() => {
    store.close();
    rmSync(directory, { recursive: true });
  });

  function runner(perform: RunnerOptions['perform']): PlanRunner {
    const plan = must(journal.open(), 'an open plan');
    const log = createLog('test', 'silent');
    return new PlanRunner({ plan, journal, ports: PORTS, perform, onChange: () => undefined, log, now: Date.now });
  }

  it('has written down that an action begins before it is begun', async () => {
    const seen: string[] = [];
    const running = runner(async (_ports, { step, part }) => {
      const written = must(journal.get(PLAN), 'the plan').record.core;
      seen.push(`${step.kind} ${part}: ${written.phase} ${written.steps[written.at]?.kind} ${written.steps[written.at]?.acted}`);
      return { kind: 'done' };
    });
    running.order(SYSTEM, { kind: 'run', through: true, overrule: [], atMs: 1 });
    await waitUntil('it has ended', () => journal.get(PLAN)?.record.core.mode === 'done');
    assert.deepEqual(seen.slice(0, 3), [
      'backup precondition: precondition backup false',
      'backup action: action backup true',
      'backup check: check backup true',
    ]);
    assert.equal(journal.open(), undefined);
    assert.equal(journal.ended()[0]?.state, 'done');
  });

  it('begins what takes a step back only when its action is through, and hears no more of that', async () => {
    const done: string[] = [];
    let release: (() => void) | undefined;
    const running = runner(async (_ports, { step, part }) => {
      if (step.kind === 'install-base' && part === 'action') await new Promise<void>((resolve) => (release = resolve));
      done.push(`${step.kind} ${part}`);
      return { kind: 'done' };
    });
    running.order(SYSTEM, { kind: 'run', through: true, overrule: [], atMs: 1 });
    await waitUntil('the action was begun', () => running.record.core.phase === 'action' && running.record.core.at === 1);
    await waitUntil('it is under way', () => release);
    running.order(SYSTEM, { kind: 'cancel', atMs: 2 });
    release?.();
    await waitUntil('it was taken back', () => journal.get(PLAN)?.record.core.mode === 'cancelled');
    assert.deepEqual(done.slice(-2), ['install-base action', 'install-base undo']);
  });

  it('goes on with the present part after a restart, and does nothing any more when it is closed', async () => {
    const first = runner(() => new Promise(() => undefined));
    first.order(SYSTEM, { kind: 'run', through: true, overrule: [], atMs: 1 });
    first.close();
    let performed = 0;
    const next = runner(async () => {
      performed++;
      return { kind: 'wait' };
    });
    next.resume();
    await waitUntil('it was asked again', () => performed === 1);
    next.close();
    await next.settled();
    assert.equal(next.record.core.steps[0]?.kind, 'backup');
  });
});
