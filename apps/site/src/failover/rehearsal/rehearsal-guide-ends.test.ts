import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import type { RehearsalReport } from '@bascule/protocol/rehearsal.ts';
import { SYSTEM, type AuditEvent } from '@bascule/store/store.ts';
import { openPairStore } from '../pair-store.ts';
import type { Pair } from '../pair.ts';
import { RehearsalEnds } from './rehearsal-guide-ends.ts';

const ID = 'ab'.repeat(16);
const SESSIONS = 20;
const LIMITS = { settleMs: 0, giveUpMs: 60_000 };

const held = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    session: `acs_${index}`,
    user: 'ann',
    item: 'web-1',
    startedAtMs: 1000,
    endedAtMs: null,
    recordingSha256: null,
    recordingBytes: 0,
  }));

/** A primary that has led one test, and a backup that says `state` of it. */
function scene(t: TestContext, limits = LIMITS) {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-ends-'));
  const log = createLog('test', 'silent');
  const store = openPairStore({ path: join(folder, 'pair.db'), appliance: 'alpha', log, now: Date.now });
  t.after(() => {
    store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const written: AuditEvent[] = [];
  const backup = { state: 'closed' as RehearsalReport['state'], canAudit: true };
  const ends = new RehearsalEnds({
    pair: () => ({ parts: { records: { store } } }) as unknown as Pair,
    audit: (_context, event) => void written.push(event),
    canAudit: () => backup.canAudit,
    say: () => Promise.resolve({ rehearsal: ID, state: backup.state, sessions: held(SESSIONS), archive: 'a' } as RehearsalReport),
    isRunning: () => false,
    log,
    limits,
  });
  ends.note({ id: ID, standby: 'beta' });
  const codes = () => written.map(({ code }) => code);
  return { ends, backup, codes, settle: () => ends.settle(SYSTEM, 'Its time was over.') };
}

test('what was held in a test is written down one by one, and the loop goes on meanwhile', async (t) => {
  const { ends, codes, settle } = scene(t);
  const seen = new Set<number>();
  const look = () => {
    seen.add(codes().length);
    if (codes().length < SESSIONS) setImmediate(look);
  };
  setImmediate(look);
  await settle();
  assert.equal(codes().length, SESSIONS + 1);
  assert.equal(codes().at(-1), 'REHEARSAL_ENDED');
  assert.ok(seen.size > SESSIONS / 2, 'others had their turn between them');
  assert.equal(ends.isOpen, false);
});

test('a backup that still writes down what was held is asked again, and not for ever', async (t) => {
  const { ends, backup, codes, settle } = scene(t);
  backup.state = 'ending';
  await assert.rejects(settle(), { code: 'REHEARSAL_NOT_SETTLED' });
  assert.deepEqual([codes(), ends.isOpen], [[], true]);
  backup.state = 'closed';
  await settle();
  assert.equal(codes().filter((code) => code === 'REHEARSAL_SESSION_HELD').length, SESSIONS);

  const stuck = scene(t, { ...LIMITS, giveUpMs: 0 });
  stuck.backup.state = 'ending';
  await stuck.settle();
  assert.deepEqual([stuck.codes(), stuck.ends.isOpen], [['REHEARSAL_ENDED'], false]);
});

test('a side that is no primary any more writes no more of it', async (t) => {
  const { ends, backup, codes, settle } = scene(t);
  const settling = settle();
  setImmediate(() => (backup.canAudit = false));
  await settling;
  assert.ok(codes().length < SESSIONS);
  assert.equal(ends.isOpen, true, 'the next primary of this side does');
});
