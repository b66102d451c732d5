import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backupDestinationBody, type BackupDestination, type BackupRecord } from '@bascule/protocol/api/backup.ts';
import { bodyOf, draftOf, withChange } from './destination-draft.ts';
import {
  backupStanding,
  clockOf,
  mayNotFit,
  minuteOf,
  newestEnded,
  timesOfKind,
  toneOfBackup,
  totalBytes,
  withPart,
  type Backups,
  type BackupSizes,
} from './software-model.ts';

const NOW_MS = Date.UTC(2026, 10, 21, 12);
const DAY_MS = 86_400_000;
const ID = 'bku_01920c5e-0000-7000-8000-000000000001';
const HOST_KEY = 'SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8';

const record = (part: Partial<BackupRecord>): BackupRecord => ({ state: 'restorable', problem: null, ...part }) as BackupRecord;
const failed = (code: string) => record({ state: 'failed', problem: { code, message: code } });
function backupsOf(part: Partial<Backups> & { ageDays?: number; changes?: number }): Backups {
  const { ageDays = 1, changes = 0, ...rest } = part;
  return {
    backups: [record({})],
    running: null,
    last: { id: ID, atMs: NOW_MS - ageDays * DAY_MS, changesSince: changes },
    schedule: { isOn: true, nextAtMs: null, problem: null },
    ...rest,
  };
}
const standing = (backups: Backups) => backupStanding(backups, NOW_MS).standing;

test('how well the site is backed up: what is worst is said', () => {
  assert.equal(standing(backupsOf({ backups: [], last: null })), 'none');
  assert.equal(standing(backupsOf({ backups: [record({ state: 'making' })], last: null })), 'none-restorable');
  assert.equal(standing(backupsOf({ backups: [failed('BACKUP_FAILED'), record({})] })), 'failed');
  assert.equal(standing(backupsOf({ backups: [record({}), failed('BACKUP_FAILED')] })), 'unchanged');
  const problem = { code: 'BACKUP_OVERDUE', message: 'late' };
  assert.equal(standing(backupsOf({ schedule: { isOn: true, nextAtMs: null, problem } })), 'schedule');
});

test('a backup is old when something has changed since, and after a month in any case', () => {
  assert.equal(standing(backupsOf({ ageDays: 8, changes: 0 })), 'unchanged');
  assert.equal(standing(backupsOf({ ageDays: 8, changes: 1 })), 'old');
  assert.equal(standing(backupsOf({ ageDays: 6, changes: 30 })), 'changed');
  assert.equal(standing(backupsOf({ ageDays: 31 })), 'old');
});

test('what somebody cancelled is no failure', () => {
  const cancelled = failed('BACKUP_CANCELLED');
  assert.equal(standing(backupsOf({ backups: [cancelled, record({})] })), 'unchanged');
  assert.equal(newestEnded([cancelled, record({ id: ID })])?.id, ID);
  assert.deepEqual([toneOfBackup(cancelled), toneOfBackup(failed('BACKUP_FAILED'))], ['off', 'bad']);
});

test('sizes add up, a box that is silent counts as nothing, and what stays reserved is not free', () => {
  const sizes: BackupSizes = {
    configuration: 10,
    history: 100,
    files: { bytes: 1000, count: 1 },
    recordings: { bytes: 10_000, count: 1 },
    boxSettings: null,
    freeBytes: 1500,
    reservedBytes: 400,
  };
  const all = { history: true, files: true, recordings: true, boxSettings: true };
  assert.equal(totalBytes(sizes, all), 11_110);
  assert.equal(totalBytes(sizes, { ...all, recordings: false, files: false }), 110);
  assert.equal(mayNotFit(sizes, { ...all, recordings: false }), true);
  assert.equal(mayNotFit(sizes, { ...all, recordings: false, history: false }), false);
});

test('without the history no recordings', () => {
  const all = { history: true, files: true, recordings: true, boxSettings: true };
  assert.deepEqual(withPart(all, 'history', false), { ...all, history: false, recordings: false });
  assert.deepEqual(withPart(all, 'files', false), { ...all, files: false });
});

test('times of day are minutes, and only real ones', () => {
  assert.deepEqual([clockOf(0), clockOf(185), clockOf(1439)], ['00:00', '03:05', '23:59']);
  assert.deepEqual(
    ['03:05', '24:00', '3:05', '', '12:60'].map((clock) => minuteOf(clock)),
    [185, undefined, undefined, undefined, undefined],
  );
  assert.deepEqual(timesOfKind('weekly', { kind: 'daily', atMinute: 61 }), { kind: 'weekly', weekday: 0, atMinute: 61 });
});

const NAS: BackupDestination = {
  id: 'bkd_01920c5e-0000-7000-8000-000000000001',
  name: 'nas',
  place: { kind: 'sftp', host: 'nas', port: 22, account: 'bascule', path: 'alpha', hostKey: HOST_KEY, has: 'password' },
};

test('a destination is sent only with a host key that somebody confirmed', () => {
  const draft = withChange(draftOf(undefined), { name: 'nas', host: 'nas', account: 'a', path: 'p', password: 'x' });
  assert.equal(bodyOf(draft), undefined);
  const shown = withChange(draft, { hostKey: HOST_KEY });
  assert.equal(bodyOf(shown), undefined);
  const confirmed = withChange(shown, { isHostKeyConfirmed: true });
  assert.deepEqual(bodyOf(confirmed)?.place, {
    kind: 'sftp',
    host: 'nas',
    port: 22,
    account: 'a',
    path: 'p',
    hostKey: HOST_KEY,
    secret: { kind: 'password', password: 'x' },
  });
  assert.equal(bodyOf(withChange(confirmed, { host: 'other' })), undefined, 'the key was another server’s');
});

test('what is stored is kept for the same server and account alone', () => {
  const body = bodyOf(withChange(draftOf(NAS), { path: 'beta' }));
  assert.ok(body !== undefined && !('secret' in body.place));
  const other = withChange(draftOf(NAS), { account: 'somebody' });
  assert.equal(other.secretKind, 'password');
  assert.equal(bodyOf(other), undefined, 'a password is needed');
  assert.ok(backupDestinationBody.safeParse(bodyOf(withChange(other, { password: 'y' }))).success);
});
