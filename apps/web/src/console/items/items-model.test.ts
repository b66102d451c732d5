import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JumpItem, JumpItemsPage } from '@bascule/protocol/api/jump.ts';
import { ApiError } from '../../shared/api-client.ts';
import { KnownPages, pageQuery, pagesOf } from './item-query.ts';
import { groupCounts, isUpgrading, itemStatus, jumpObstacle } from './items-model.ts';
import { isReady, waitFor } from './waiting-jump.ts';

function item(name: string, change: Partial<JumpItem> = {}): JumpItem {
  return {
    id: `jc_${name}`,
    name,
    groupId: null,
    groupName: null,
    hostName: `${name}.example`,
    os: 'Debian 12',
    addresses: ['10.0.0.1'],
    runsAs: 'root',
    version: '0.1.0',
    state: 'approved',
    online: true,
    sinceMs: 1000,
    duplicateName: false,
    comment: '',
    sessions: 0,
    program: 'jump-client',
    revision: '',
    mode: 'active',
    tags: [],
    upgrade: 'current',
    upgradePlace: null,
    nextCheckInMs: null,
    ...change,
  };
}
const page = (revision: number, total: number, items: JumpItem[]): JumpItemsPage => ({
  revision,
  total,
  items,
  groups: [],
  tags: [],
  programs: [],
});

void test('groups come with all of them first; the numbers of all are the sum', () => {
  const groups = [
    { id: 'jg_1', name: 'Berlin', items: 2, online: 1 },
    { id: null, name: null, items: 3, online: 0 },
  ];
  assert.deepEqual(groupCounts(groups), [
    { id: 'all', name: null, items: 5, online: 1 },
    { id: 'jg_1', name: 'Berlin', items: 2, online: 1 },
    { id: 'none', name: null, items: 3, online: 0 },
  ]);
});

void test('only approved and connected items may be jumped to; a passive one that is away is waited for', () => {
  assert.equal(jumpObstacle(item('a')), undefined);
  assert.equal(jumpObstacle(item('a', { online: false })), 'offline');
  assert.equal(jumpObstacle(item('a', { online: false, mode: 'passive', nextCheckInMs: 5 })), undefined);
  assert.equal(itemStatus(item('a', { online: false, mode: 'passive', nextCheckInMs: 5 })), 'checks-in');
  assert.equal(jumpObstacle(item('a', { state: 'to-be-confirmed' })), 'to-be-confirmed');
  assert.equal(itemStatus(item('a', { state: 'revoked', online: true })), 'revoked');
});

void test('the pages of what is in sight are asked for, not of everything between two far ends', () => {
  assert.deepEqual(pagesOf(0, 0), [0]);
  assert.deepEqual(pagesOf(95, 130), [0, 1]);
  assert.deepEqual(pagesOf(99_990, 100_010), [999, 1000]);
  assert.equal(pagesOf(0, 100_000).length, 4);
  const query = pageQuery({ text: ' web ', online: false }, { sort: 'name', descending: true }, 3);
  assert.deepEqual(
    [query['text'], query['online'], query['descending'], query['offset'], query['limit']],
    ['web', 'false', 'true', 300, 100],
  );
});

void test('items are found by their place, and their place by the item, as far as pages are known', () => {
  const known = new KnownPages(
    new Map([
      [2, page(7, 250, [item('x'), item('y')])],
      [0, page(8, 251, [item('a')])],
    ]),
  );
  assert.equal(known.total, 251, 'the newer answer counts');
  assert.equal(known.itemAt(201)?.name, 'y');
  assert.equal(known.itemAt(100), undefined);
  assert.equal(known.indexOf('jc_x'), 200);
  assert.equal(known.indexOf('jc_elsewhere'), -1);
});

void test('a refused jump waits for an upgrade or a check-in, and for nothing else', () => {
  const goal = item('a');
  const refused = (code: string, params = {}) => waitFor(goal, new ApiError(code, '', { status: 409, params }), 1000);
  assert.deepEqual(refused('ACCESS_SESSION_ITEM_OFFLINE'), undefined);
  assert.equal(waitFor(goal, new Error('x'), 0), undefined);
  const upgrade = refused('CLIENT_UPGRADE_PENDING', { place: 3 });
  assert.deepEqual([upgrade?.reason, upgrade?.place], ['upgrade', 3]);
  const checkIn = refused('ACCESS_SESSION_ITEM_CHECKS_IN', { name: 'a', nextCheckInMs: 50_000 });
  assert.equal(checkIn?.reason, 'check-in');
  assert.ok(checkIn.untilMs > 50_000);
  assert.ok(upgrade !== undefined);
  assert.equal(isReady(upgrade, item('a', { upgrade: 'downloading' })), false);
  assert.equal(isReady(upgrade, item('a', { online: false })), false, 'it restarts');
  assert.equal(isReady(upgrade, item('a')), true);
  assert.equal(isReady(checkIn, item('a', { upgrade: 'pending' })), true);
  assert.equal(isUpgrading(item('a', { upgrade: 'failed' })), false);
});
