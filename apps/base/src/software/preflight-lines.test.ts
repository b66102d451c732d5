import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { preflightLine, type ClockState, type PreflightLine } from '@bascule/protocol/api/updates.ts';
import * as lines from './preflight-lines.ts';

const NOW_MS = Date.UTC(2026, 6, 1);
const DAY_MS = 24 * 60 * 60_000;
const GIGABYTE = 1024 ** 3;

/** Every line fits the contract, and whatever is not green says what to do. */
function checked(line: PreflightLine): PreflightLine {
  const parsed = preflightLine.parse(line);
  if (line.outcome !== 'green') assert.notEqual(line.advice, '');
  return parsed;
}

const clock = (state: ClockState['state'], more: Partial<ClockState> = {}): ClockState => ({
  systemMs: NOW_MS,
  effectiveMs: NOW_MS,
  highestSeenMs: NOW_MS,
  state,
  server: 'ntp.example.net',
  offsetMs: null,
  delayMs: null,
  checkedAtMs: null,
  ...more,
});

describe('preflight lines', () => {
  it('disk: red below the worst case, saying how much is missing', () => {
    const need = { downloadBytes: GIGABYTE, unpackedBytes: GIGABYTE, snapshotBytes: GIGABYTE, migrationBytes: GIGABYTE };
    assert.equal(checked(lines.diskLine({ ...need, freeBytes: 5 * GIGABYTE })).outcome, 'green');
    const full = checked(lines.diskLine({ ...need, freeBytes: 4 * GIGABYTE }));
    assert.equal(full.outcome, 'red');
    assert.match(full.advice, /Free 256 MB/);
  });

  it("backup and export: amber when missing or older than the last change, and in nobody's way", () => {
    const last = { atMs: NOW_MS - 2 * DAY_MS, changesSince: 0 };
    assert.equal(checked(lines.backupLine(last, NOW_MS)).outcome, 'green');
    const outcomes = [null, { ...last, changesSince: 1 }].map((one) => checked(lines.backupLine(one, NOW_MS)));
    assert.deepEqual(
      [...outcomes, checked(lines.certificateExportLine(null, NOW_MS))].map(({ code, outcome }) => [
        outcome,
        lines.ADVISORY_LINES.has(code),
      ]),
      Array.from({ length: 3 }, () => ['amber', true]),
    );
    assert.match(outcomes[1]?.text ?? '', /1 setting was changed/);
    assert.equal(checked(lines.certificateExportLine(NOW_MS - DAY_MS, NOW_MS)).outcome, 'green');
  });

  it('clock: wrong is amber with the way out, unconfirmed is not in the way', () => {
    assert.equal(checked(lines.clockLine(clock('synchronised'))).outcome, 'green');
    assert.equal(checked(lines.clockLine(clock('unreachable'))).outcome, 'green');
    const behind = checked(lines.clockLine(clock('behind', { systemMs: NOW_MS - 3 * 60 * 60_000 })));
    assert.equal(behind.outcome, 'amber');
    assert.match(behind.advice, /3 h behind/);
    assert.match(checked(lines.clockLine(clock('off', { offsetMs: -600_000 }))).advice, /10 min ahead of ntp\.example\.net/);
    assert.equal(checked(lines.clockLine(clock('off', { offsetMs: 5_000 }))).outcome, 'green');
  });

  it('database: damaged is red, a silent site amber', () => {
    assert.equal(checked(lines.integrityLine({ boxProblems: [], siteProblems: [], siteError: undefined })).outcome, 'green');
    const damaged = checked(lines.integrityLine({ boxProblems: [], siteProblems: ['row 7 missing'], siteError: undefined }));
    assert.deepEqual([damaged.outcome, damaged.details], ['red', ['site: row 7 missing']]);
    assert.equal(
      checked(lines.integrityLine({ boxProblems: [], siteProblems: undefined, siteError: undefined })).outcome,
      'amber',
    );
  });

  it('clients: amber with their number until they are through, and when somebody would be lost', () => {
    const counts = { total: 9, current: 6, pending: 3, absent: 2, failed: 1, text: 'Ring early is open.' };
    const pending = checked(lines.clientsPendingLine({ state: 'pending', fleet: { ...counts, isSettled: false } }));
    assert.deepEqual([pending.code, pending.outcome, pending.params['pending']], ['clients-pending', 'amber', 3]);
    assert.match(pending.text, /^3 of 9 clients .* 2 of them away; 1 failed/);
    const settled = checked(lines.clientsPendingLine({ state: 'settled', fleet: { ...counts, pending: 0, isSettled: true } }));
    assert.equal(settled.outcome, 'green');
    const old = checked(lines.clientsPendingLine({ state: 'unknown', leftMs: 90 * 60_000 }));
    assert.deepEqual([old.outcome, old.params['hours']], ['amber', 2]);
    assert.equal(checked(lines.clientsPendingLine({ state: 'unknown', leftMs: 0 })).outcome, 'green');
    assert.equal(checked(lines.clientsPendingLine({ state: 'no-site' })).outcome, 'green');

    const one = {
      what: 'jump-client',
      id: 'jcl_1',
      severity: 'lost',
      code: 'cannot-upgrade',
      detail: '',
      lastSeenAtMs: null,
    } as const;
    const list = Array.from({ length: 30 }, (_, index) => ({ ...one, name: `machine ${index}` }));
    const losses = { connected: 40, seenLately: 2, lost: 30, trouble: 1, list };
    const lost = checked(lines.clientsLostLine(losses));
    assert.deepEqual([lost.outcome, lost.details.length, lost.details[0]], ['amber', 20, 'machine 0: lost, cannot-upgrade']);
    assert.equal(checked(lines.clientsLostLine({ ...losses, lost: 0 })).outcome, 'green');
  });

  it('certificate and trust: what ends soon or has ended is amber', () => {
    assert.equal(checked(lines.certificateLine(NOW_MS + 30 * DAY_MS, NOW_MS)).outcome, 'green');
    assert.equal(checked(lines.certificateLine(NOW_MS + DAY_MS, NOW_MS)).outcome, 'amber');
    assert.match(checked(lines.certificateLine(NOW_MS - DAY_MS, NOW_MS)).text, /has ended/);
    assert.equal(checked(lines.trustLine(NOW_MS + DAY_MS, NOW_MS)).outcome, 'green');
    assert.equal(checked(lines.trustLine(NOW_MS - DAY_MS, NOW_MS)).outcome, 'amber');
    assert.equal(checked(lines.trustLine(null, NOW_MS)).outcome, 'amber');
  });

  it('sessions: named by person, never in the way', () => {
    const line = checked(lines.sessionsLine([{ user: 'eve', item: 'db-1', startedAtMs: NOW_MS }], 3));
    assert.equal(line.outcome, 'green');
    assert.match(line.details[0] ?? '', /^eve: db-1/);
    assert.deepEqual(line.params, { sessions: 1, clients: 3 });
  });

  it('migration: untried on a large database is amber, a short trial green, a long one amber', () => {
    const large = { pending: 2, databaseBytes: 2 * GIGABYTE, trialMs: undefined };
    assert.equal(checked(lines.migrationLine(large)).outcome, 'amber');
    assert.equal(checked(lines.migrationLine({ ...large, pending: 0 })).outcome, 'green');
    assert.equal(checked(lines.migrationLine({ ...large, databaseBytes: 1000 })).outcome, 'green');
    assert.equal(checked(lines.migrationLine({ ...large, trialMs: 900 })).outcome, 'green');
    assert.equal(checked(lines.migrationLine({ ...large, trialMs: 60_000 })).outcome, 'amber');
  });

  it('memory: amber when both versions hardly fit, red when they do not', () => {
    const outcome = (available: number) => checked(lines.memoryLine(available, GIGABYTE)).outcome;
    assert.deepEqual([outcome(2 * GIGABYTE), outcome(GIGABYTE), outcome(GIGABYTE / 4)], ['green', 'amber', 'red']);
  });

  it('slots: a checkout cannot be replaced', () => {
    assert.equal(checked(lines.slotsLine('0.1.0-abc')).outcome, 'green');
    assert.equal(checked(lines.slotsLine(undefined)).outcome, 'red');
  });
});
