import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EstablishRequest, FailoverState } from '@bascule/protocol/api/failover.ts';
import {
  acceptedKeyOf,
  acceptedLossOf,
  addressFaults,
  clientsThatLostPeer,
  isNotFollowed,
  isSplit,
  losesAnything,
  namesOf,
  pageKindOf,
  recommendationOf,
  toneOf,
} from './failover-model.ts';

const NOW = 1_800_000_000_000;
const SIDE: FailoverState['self'] = {
  appliance: 'alpha',
  keySha256: 'a'.repeat(64),
  role: 'backup',
  history: 'h',
  epoch: 3,
  version: '0.2.0',
  schema: 99,
  endpoint: null,
  clientsOnline: 0,
  sessions: 0,
  freeBytes: null,
  clockOffsetMs: 0,
};
function stateOf(change: Partial<FailoverState> = {}): FailoverState {
  return {
    self: SIDE,
    peer: { ...SIDE, appliance: 'bravo', role: 'primary' },
    peerState: 'reachable',
    lastContactAtMs: NOW,
    broken: null,
    settings: { mode: 'async', bytesPerSecond: 0, alarmLagSeconds: 60, backupOperations: false, automatic: false },
    copy: null,
    exposure: null,
    alarms: [],
    conflict: null,
    witness: null,
    rehearsal: { state: 'none', startedAtMs: null, endsAtMs: null, users: [], clients: [], steps: [] },
    roles: [],
    archives: [],
    sharedName: 'access.example.org',
    busy: null,
    preSharedKey: { isSet: true, checkValue: '01234567', changedAtMs: NOW },
    ...change,
  };
}
const self = (role: FailoverState['self']['role']) => ({ self: { ...SIDE, role } });
const roleChange = { atMs: NOW, appliance: 'alpha', role: 'read-only' as const, epoch: 3, by: 'system', lost: null };

test('every state has a page of its own, and a conflict comes before all', () => {
  const conflict = { kind: 'both-primary' as const, sinceMs: NOW, sides: [], recommended: null };
  const busy = { what: 'establish', step: 'prove', done: 0, total: null, startedAtMs: NOW };
  const broken = { peer: 'bravo', endpoint: { host: 'b', port: 443 }, atMs: NOW, by: 'ann' };
  const kinds: [string, Partial<FailoverState>][] = [
    ['none', { ...self('single'), peer: null, peerState: 'none' }],
    ['broken', { ...self('single'), peer: null, peerState: 'none', broken }],
    ['establishing', { ...self('single'), peer: null, peerState: 'none', busy }],
    ['primary', self('primary')],
    ['primary-alone', { ...self('primary'), peerState: 'unreachable' }],
    ['backup', {}],
    ['primary-unreachable', { peerState: 'unreachable' }],
    ['read-only', { ...self('read-only'), broken }],
    ['restored', { ...self('read-only'), roles: [{ ...roleChange, reason: 'restored' }] }],
    ['restored', { ...self('read-only'), readOnly: 'restored' }],
    ['superseded', { ...self('read-only'), readOnly: 'superseded' }],
    ['read-only', { ...self('read-only'), readOnly: 'broken', roles: [{ ...roleChange, reason: 'restored' }] }],
    ['both-primary', { ...self('primary'), peerState: 'unreachable', conflict, busy }],
  ];
  for (const [kind, change] of kinds) assert.equal(pageKindOf(stateOf(change)), kind);
});

test('a broken relationship is a split one when both serve, each with its own history', () => {
  const broken = { peer: 'bravo', endpoint: { host: 'b', port: 443 }, atMs: NOW, by: 'ann' };
  const side = { ...SIDE, role: 'single' as const };
  assert.ok(isSplit(stateOf({ self: side, peer: { ...side, history: 'other' }, broken })));
  assert.ok(!isSplit(stateOf({ self: side, peer: { ...side, role: 'read-only', history: 'other' }, broken })));
  assert.ok(!isSplit(stateOf({ self: side, peer: side, broken })));
});

test('two machines of one name are told apart by their addresses', () => {
  const endpoint = (host: string) => ({ endpoint: { host, port: 443 } });
  assert.deepEqual(namesOf(stateOf()), { self: 'alpha', peer: 'bravo' });
  const twins = stateOf({ self: { ...SIDE, ...endpoint('192.0.2.1') }, peer: { ...SIDE, ...endpoint('192.0.2.2') } });
  assert.deepEqual(namesOf(twins), { self: 'alpha (192.0.2.1)', peer: 'alpha (192.0.2.2)' });
});

test('an alarm or a stopped copy takes the green off', () => {
  const copy = { state: 'stopped' } as FailoverState['copy'];
  assert.equal(toneOf('backup', stateOf()), 'ok');
  assert.equal(toneOf('backup', stateOf({ copy })), 'warn');
  assert.equal(toneOf('primary', stateOf({ alarms: [{ code: 'lag', sinceMs: NOW, params: {} }] })), 'warn');
  assert.equal(toneOf('both-primary', stateOf()), 'bad');
});

test('nobody is told to become primary while somebody else still hears the primary, or the copy is not whole', () => {
  const seen = (witnessAtMs: number | null, clientsHereAtMs: number | null) => ({
    peerSeenBy: { witnessAtMs, clientsHere: 3, clientsHereAtMs },
  });
  const recommended = (change: Partial<FailoverState>) =>
    recommendationOf(stateOf({ peerState: 'unreachable', lastContactAtMs: NOW - 90_000, ...change }), NOW);
  assert.equal(recommended(seen(NOW - 1000, NOW - 1000)), 'wait-witness');
  assert.equal(recommended(seen(NOW - 60_000, NOW - 1000)), 'become-primary');
  assert.equal(recommended(seen(null, NOW - 60_000)), 'ask-people');
  assert.equal(recommended({}), 'ask-people');
  assert.equal(recommended({ ...seen(null, NOW), copy: { state: 'snapshot' } as FailoverState['copy'] }), 'wait-copy');
});

test('clients that came before the primary was last heard have not lost it', () => {
  const peerSeenBy = { witnessAtMs: null, clientsHere: 3, clientsHereAtMs: NOW - 1000 };
  assert.deepEqual(clientsThatLostPeer({ peerSeenBy, lastContactAtMs: NOW - 2000 }), { count: 3, atMs: NOW - 1000 });
  assert.equal(clientsThatLostPeer({ peerSeenBy, lastContactAtMs: NOW }), undefined);
  assert.equal(clientsThatLostPeer({ lastContactAtMs: NOW }), undefined);
});

test('a primary whose backup is heard but does not follow, as right after a takeover, does not say that it follows', () => {
  const copyIn = (state: string, lastCompletedAtMs: number | null = NOW) =>
    stateOf({ copy: { state, lastCompletedAtMs } as FailoverState['copy'] });
  assert.ok(isNotFollowed('primary', copyIn('stopped')));
  assert.ok(!isNotFollowed('primary', copyIn('following')) && !isNotFollowed('primary', copyIn('catching-up')));
  assert.ok(!isNotFollowed('primary', copyIn('stopped', null)), 'of the first copy something else is said');
  assert.ok(!isNotFollowed('primary-alone', copyIn('stopped')));
});

test('what is accepted is what was shown; that time goes on changes nothing of it', () => {
  const exposure = { changes: 3, seconds: 1.25, sessions: 0, recordingBytes: 0, fileBytes: 0, asOfMs: NOW };
  assert.deepEqual(acceptedLossOf(exposure), { changes: 3, seconds: 1.25 });
  assert.equal(acceptedLossOf(null), undefined);
  assert.equal(acceptedKeyOf({ ...exposure, seconds: 60 }), acceptedKeyOf(exposure));
  for (const more of [{ changes: 4 }, { sessions: 1 }, { recordingBytes: 1 }, { fileBytes: 1 }])
    assert.notEqual(acceptedKeyOf({ ...exposure, ...more }), acceptedKeyOf(exposure));
  assert.notEqual(acceptedKeyOf(null), acceptedKeyOf(exposure));
  assert.ok(losesAnything(exposure) && !losesAnything({ ...exposure, changes: 0 }));
});

test('the shared name, an address twice, and what is no address are refused before anybody is asked', () => {
  const request = (backup: string, primary: string, port = 443): EstablishRequest => ({
    backup: { host: backup, port },
    primary: { host: primary, port },
    withCertificate: true,
    mode: 'async',
  });
  const faults = (...names: [string, string, number?]) => addressFaults(request(...names), 'access.example.org');
  assert.deepEqual(faults('192.0.2.2', '192.0.2.1'), {});
  assert.deepEqual(faults('[2001:db8::2]', 'a.example.org'), {});
  assert.deepEqual(faults('Access.Example.org', 'https://a'), { backup: 'shared', primary: 'host' });
  assert.deepEqual(faults('a', 'a'), { backup: 'same' });
  assert.deepEqual(addressFaults(request('localhost', '127.0.0.1'), 'localhost'), {});
  assert.deepEqual(faults('a', 'b', 70_000), { backup: 'port', primary: 'port' });
});
