import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Installation, Offer, PathStep, PreflightLine, StepState, UpdatesState } from '@bascule/protocol/api/updates.ts';
import { readFingerprint, readRecipients, withSecurity, wrongFields } from '../../mail/mail-draft.ts';
import {
  availableOffers,
  backUpThenInstall,
  countdown,
  effectsOf,
  grouped,
  hasGoneBack,
  headlineOf,
  isForward,
  isHeldBack,
  isNewer,
  isTrustToConfirm,
  mayBegin,
  leftOf,
  noReturnBefore,
  missingBytes,
  pollIntervalMs,
  signedOffset,
  wentBackTo,
} from './updates-model.ts';

const quiet = {
  settings: { serverUrl: 'https://updates.example.org' },
  trust: {},
  lastCheck: { error: null },
  isChecking: false,
  installed: [],
  offers: [],
  path: [],
  uploads: [],
  running: null,
  rolledBack: null,
  lastInstalled: null,
} as unknown as UpdatesState;
const state = (change: object): UpdatesState => ({ ...quiet, ...change });
const running = (change: Partial<Installation>) =>
  ({ kind: 'base', operation: 'install', step: 'switch', ...change }) as Installation;

test('the headline says what is going on before what went wrong, and that before what could be done', () => {
  const offers = [{ state: 'installable', manifest: {} }, { state: 'blocked' }];
  assert.equal(headlineOf(quiet, false).kind, 'upToDate');
  assert.deepEqual(headlineOf(state({ offers }), false), { kind: 'ready', tone: 'ok', count: 1 });
  assert.equal(headlineOf(state({ offers, rolledBack: {} }), false).kind, 'rolledBack');
  assert.equal(headlineOf(state({ offers, rolledBack: {}, running: running({}) }), false).kind, 'installing');
  assert.equal(headlineOf(state({ settings: { serverUrl: '' }, trust: null }), false).kind, 'noServer');
  assert.equal(headlineOf(state({ trust: null }), false).kind, 'trustMissing');
  assert.equal(headlineOf(state({ lastCheck: null }), false).kind, 'neverChecked');
  assert.equal(headlineOf(state({ lastCheck: { error: {} } }), false).kind, 'checkFailed');
});

test('silence is expected only while base goes in or back, past the point of no return', () => {
  assert.equal(headlineOf(state({ running: running({}) }), true).kind, 'baseReplaced');
  assert.equal(headlineOf(state({ running: running({ operation: 'roll-back' }) }), true).kind, 'baseReplaced');
  assert.equal(headlineOf(state({ running: running({ step: 'download' }) }), true).kind, 'silent');
  assert.equal(headlineOf(state({ running: running({ kind: 'site' }) }), true).kind, 'silent');
  assert.equal(headlineOf(quiet, true).kind, 'silent');
});

test('the state is asked for every second while something goes on or nobody answers, else every three', () => {
  assert.equal(pollIntervalMs(quiet, false), 3_000);
  assert.equal(pollIntervalMs(quiet, true), 1_000);
  assert.equal(pollIntervalMs(state({ running: running({}) }), false), 1_000);
  assert.equal(pollIntervalMs(state({ isChecking: true }), false), 1_000);
  assert.equal(pollIntervalMs(state({ lastInstalled: { verification: [{ state: 'running' }] } }), false), 1_000);
});

test('offers stand in the order of the upgrade path; installed and older ones are not offered', () => {
  const offer = (target: string, kind: Offer['state']) => ({ target, state: kind }) as Offer;
  const offers = [offer('late', 'blocked'), offer('aside', 'installable'), offer('first', 'installable'), offer('gone', 'older')];
  const path = [{ target: 'first' }, { target: null }, { target: 'late' }] as UpdatesState['path'];
  assert.deepEqual(
    availableOffers({ offers, path }).map(({ target }) => target),
    ['first', 'late', 'aside'],
  );
});

test('a snapshot and the package after it are one offer only when they come next', () => {
  const install = { action: 'install', target: 'site/x' } as UpdatesState['path'][number];
  const backUp = { action: 'back-up', target: null } as UpdatesState['path'][number];
  assert.equal(backUpThenInstall([backUp, install]), 'site/x');
  assert.equal(backUpThenInstall([install, backUp]), undefined);
  assert.equal(backUpThenInstall([]), undefined);
});

test('effects are said for each kind of package', () => {
  assert.deepEqual(effectsOf({ kind: 'base', upgradesClients: false, restartsBox: true }), ['baseReplaced', 'clientsStay']);
  assert.deepEqual(effectsOf({ kind: 'site', upgradesClients: true, restartsBox: false }), ['siteSwitched', 'newInstallers']);
  assert.deepEqual(effectsOf({ kind: 'licence', upgradesClients: false, restartsBox: false }), [
    'nothingRestarts',
    'clientsStay',
  ]);
});

test('an installation begins when nothing is red and every amber line is ticked', () => {
  const line = (code: string, outcome: PreflightLine['outcome']) => ({ code, outcome }) as PreflightLine;
  const lines = [line('clock', 'green'), line('certificate', 'amber'), line('memory', 'amber')];
  assert.equal(mayBegin(lines, new Set(['certificate'])), false);
  assert.equal(mayBegin(lines, new Set(['certificate', 'memory'])), true);
  assert.equal(mayBegin([...lines, line('disk-space', 'red')], new Set(['certificate', 'memory', 'disk-space'])), false);
});

test('the point of no return stands before the first step that cannot be cancelled, also when freeze is not shown', () => {
  const steps = (...names: string[]) => names.map((step) => ({ step })) as StepState[];
  assert.equal(noReturnBefore(steps('download', 'health', 'freeze', 'switch')), 'freeze');
  assert.equal(noReturnBefore(steps('download', 'switch', 'watch')), 'switch');
  assert.equal(noReturnBefore(steps('download', 'verify')), undefined);
  assert.equal(noReturnBefore(steps('candidate', 'health', 'freeze')), 'freeze');
  assert.equal(noReturnBefore(steps('switch', 'drain')), undefined, 'all of it lies behind the point of no return');
});

test('trust is asked for when there is a server, or a file that is here whole', () => {
  const upload = { id: 'u', name: 'n', receivedBytes: 5, totalBytes: 5 };
  const noServer = state({ trust: null, settings: { serverUrl: '' } });
  assert.equal(isTrustToConfirm(quiet), false);
  assert.equal(isTrustToConfirm(state({ trust: null })), true);
  assert.equal(isTrustToConfirm(noServer), false);
  assert.equal(isTrustToConfirm({ ...noServer, uploads: [{ ...upload, receivedBytes: 4 }] }), false);
  assert.equal(isTrustToConfirm({ ...noServer, uploads: [upload] }), true);
});

test('fingerprints, countdowns and offsets as people read them', () => {
  assert.equal(grouped('0123456789'), '0123 4567 89');
  assert.equal(countdown(24 * 60_000), '24:00');
  assert.equal(countdown(61_001), '01:02');
  assert.equal(countdown(-5), '00:00');
  assert.equal(signedOffset(-12.4, 'en'), '−12 ms');
  assert.equal(signedOffset(3_450, 'en'), '+3.5 s');
});

test('mail: the port follows the protection unless it is unusual, lists and fingerprints are read as pasted, gaps are named', () => {
  const settings = {
    isOn: true,
    host: '',
    port: 587,
    security: 'starttls' as const,
    certificateSha256: '',
    account: '',
    from: 'nobody',
    recipients: [] as string[],
    language: 'en' as const,
  };
  assert.equal(withSecurity(settings, 'tls').port, 465);
  assert.equal(withSecurity({ ...settings, port: 2525 }, 'tls').port, 2525);
  assert.deepEqual(readRecipients('a@example.org, b@example.org;\nc@example.org '), [
    'a@example.org',
    'b@example.org',
    'c@example.org',
  ]);
  assert.equal(readFingerprint('AB:cd 01'), 'abcd01');
  assert.deepEqual([...wrongFields(settings)].toSorted(), ['from', 'host', 'recipients']);
  assert.deepEqual([...wrongFields({ ...settings, isOn: false })], []);
  assert.deepEqual([...wrongFields({ ...settings, isOn: false, recipients: ['nonsense'] })], ['recipients']);
});

test('of the path only that is counted which is not here', () => {
  const step = { action: 'install', target: 'a', downloadBytes: 10 } as PathStep;
  assert.equal(missingBytes(step, []), 10);
  assert.equal(missingBytes(step, [{ target: 'a', downloadedBytes: 4 } as Offer]), 6);
  assert.equal(missingBytes(step, [{ target: 'a', downloadedBytes: 10 } as Offer]), 0);
  assert.equal(missingBytes({ ...step, action: 'back-up' }, []), 0);
});

test('after a way back the version that was left is not urged upon anybody', () => {
  const offerOf = (kind: string, version: string) => ({ state: 'installable', manifest: { kind, version } }) as Offer;
  const lastInstalled = { kind: 'site', operation: 'roll-back', outcome: 'installed', fromVersion: '0.10.0', toVersion: '0.9.0' };
  const installed = [
    { kind: 'base', version: '0.9.0', previousVersion: '0.8.0' },
    { kind: 'site', version: '0.9.0', previousVersion: '0.10.0' },
  ];
  const left = offerOf('site', '0.10.0');
  const base = offerOf('base', '0.10.0');
  const gone = state({ installed, lastInstalled, offers: [left, base] });
  assert.equal(headlineOf(gone, false).kind, 'wentBack');
  assert.deepEqual(wentBackTo(gone), { kind: 'site', version: '0.9.0' });
  assert.equal(leftOf(gone, left)?.version, '0.9.0');
  assert.equal(leftOf(gone, base), undefined);
  assert.equal(isHeldBack(gone, left), true);
  assert.equal(isHeldBack(gone, base), false);

  const later = { ...gone, lastInstalled: { ...lastInstalled, kind: 'base', operation: 'install' } as Installation };
  assert.deepEqual(headlineOf(later, false), { kind: 'ready', tone: 'ok', count: 1 });
  assert.equal(headlineOf({ ...later, offers: [left] }, false).kind, 'wentBack');
  assert.equal(isHeldBack(later, left), true);
  assert.equal(isHeldBack(later, offerOf('site', '0.11.0')), false);
});

test('a roll back to a newer version is a change, not a way back', () => {
  const back = { operation: 'roll-back', outcome: 'installed', fromVersion: '0.2.0', toVersion: '0.1.0' } as const;
  const forward = { ...back, fromVersion: '0.1.0', toVersion: '0.2.0' };
  assert.equal(isNewer('0.10.0', '0.9.1'), true);
  assert.deepEqual([hasGoneBack(back), isForward(back)], [true, false]);
  assert.deepEqual([hasGoneBack(forward), isForward(forward)], [false, true]);
  assert.equal(hasGoneBack({ ...back, outcome: 'rolled-back' }), false);
});
