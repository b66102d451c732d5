import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import {
  applyAnswer,
  countGroups,
  DEFAULT_SORT,
  filterItems,
  itemStatus,
  jumpAgainObstacle,
  jumpObstacle,
  sortItems,
} from './items-model.ts';

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
    ...change,
  };
}
const names = (items: readonly JumpItem[]): string[] => items.map(({ name }) => name);

void test('online ones come first, then names in natural order', () => {
  const items = [item('web10'), item('web9'), item('aaa', { online: false }), item('bbb', { state: 'waiting-for-approval' })];
  assert.deepEqual(names(sortItems(items, DEFAULT_SORT)), ['web9', 'web10', 'aaa', 'bbb']);
});

void test('descending turns the column around, not the names among equals', () => {
  const items = [item('b'), item('a'), item('c', { online: false })];
  assert.deepEqual(names(sortItems(items, { column: 'state', descending: true })), ['c', 'a', 'b']);
});

void test('items of one name keep one order', () => {
  const twins = [item('x', { id: 'jc_2' }), item('x', { id: 'jc_1' })];
  assert.deepEqual(
    sortItems(twins, DEFAULT_SORT).map(({ id }) => id),
    ['jc_1', 'jc_2'],
  );
});

void test('every word has to be somewhere: name, host, system, user, address, comment', () => {
  const items = [item('db1', { comment: 'Rack 7' }), item('db2', { addresses: ['192.0.2.7', 'fe80::1'] }), item('web')];
  assert.deepEqual(names(filterItems(items, 'DB rack', 'all')), ['db1']);
  assert.deepEqual(names(filterItems(items, 'fe80', 'all')), ['db2']);
  assert.deepEqual(names(filterItems(items, ' debian  web ', 'all')), ['web']);
  assert.deepEqual(names(filterItems(items, '', 'all')), ['db1', 'db2', 'web']);
});

void test('a group narrows the list, "none" keeps those without one', () => {
  const items = [item('a', { groupId: 'jg_1', groupName: 'Berlin' }), item('b')];
  assert.deepEqual(names(filterItems(items, '', 'jg_1')), ['a']);
  assert.deepEqual(names(filterItems(items, '', 'none')), ['b']);
});

void test('groups are counted with what is online in them', () => {
  const items = [
    item('a', { groupId: 'jg_2', groupName: 'Zwolle' }),
    item('b', { groupId: 'jg_1', groupName: 'Berlin', online: false }),
    item('c'),
  ];
  assert.deepEqual(countGroups(items), [
    { id: 'all', name: null, items: 3, online: 2 },
    { id: 'jg_1', name: 'Berlin', items: 1, online: 0 },
    { id: 'jg_2', name: 'Zwolle', items: 1, online: 1 },
    { id: 'none', name: null, items: 1, online: 1 },
  ]);
});

void test('a change replaces, adds and removes; a complete answer forgets the rest', () => {
  const first = applyAnswer(undefined, { revision: 1, complete: true, items: [item('a'), item('b')], removed: [] });
  const second = applyAnswer(first, {
    revision: 2,
    complete: false,
    items: [item('b', { online: false }), item('c')],
    removed: ['jc_a'],
  });
  assert.deepEqual(
    [...second.byId.values()].map(({ name, online }) => [name, online]),
    [
      ['b', false],
      ['c', true],
    ],
  );
  assert.equal(first.byId.size, 2, 'the earlier state is not touched');
  const third = applyAnswer(second, { revision: 3, complete: true, items: [item('z')], removed: [] });
  assert.deepEqual([...third.byId.keys()], ['jc_z']);
});

void test('an answer without changes keeps the very same items, so that nothing is drawn again', () => {
  const first = applyAnswer(undefined, { revision: 1, complete: true, items: [item('a')], removed: [] });
  assert.equal(applyAnswer(first, { revision: 5, complete: false, items: [], removed: [] }).byId, first.byId);
});

void test('only approved and connected items may be jumped to, and the reason is named', () => {
  assert.equal(jumpObstacle(item('a')), undefined);
  assert.equal(jumpObstacle(item('a', { online: false })), 'offline');
  assert.equal(jumpObstacle(item('a', { state: 'to-be-confirmed' })), 'to-be-confirmed');
  assert.equal(itemStatus(item('a', { state: 'revoked', online: true })), 'revoked');
});

void test('jumping again needs the item as it is now; one that is not there any more is gone', () => {
  const known = { revision: 1, byId: new Map([item('a'), item('b', { state: 'revoked' })].map((each) => [each.id, each])) };
  assert.equal(jumpAgainObstacle(known, 'jc_a'), undefined);
  assert.equal(jumpAgainObstacle(known, 'jc_b'), 'revoked');
  assert.equal(jumpAgainObstacle(known, 'jc_c'), 'gone');
  assert.equal(jumpAgainObstacle(undefined, 'jc_a'), undefined, 'before the list is known nothing is refused');
});
