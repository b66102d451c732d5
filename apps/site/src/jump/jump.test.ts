import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { test } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import { jumpItems } from '@bascule/protocol/api/jump.ts';
import { enrolledClient } from '@bascule/client/testing.ts';
import { CHANGE_RING_LIMIT, ItemChanges } from './item-changes.ts';
import { insertClient } from './jump-store.ts';
import { reconnectWindows } from './reconnect-pacing.ts';
import { ADMINISTRATOR, TestSite } from './testing.ts';

const ALL = () => true;
const ADA = newId('user');

async function withSite(run: (site: TestSite) => Promise<void> | void): Promise<void> {
  const site = await TestSite.open({ users: { [ADA]: 'ada' } });
  try {
    await run(site);
  } finally {
    await site.close();
  }
}

function addClients(site: TestSite, count: number): string[] {
  const ids = Array.from({ length: count }, (_, index) => newId('jumpClient', 1_700_000_000_000 + index));
  site.store.transact(ADMINISTRATOR, { code: 'TEST', summary: '', details: {} }, (tx) => {
    for (const [index, id] of ids.entries()) {
      const facts = {
        hostName: `host-${index}`,
        os: 'Debian',
        arch: 'x64',
        addresses: ['192.0.2.1'],
        user: 'root',
        version: '1',
      };
      insertClient(tx, {
        id,
        name: `item ${index}`,
        groupId: null,
        state: 'approved',
        facts,
        keySha256: id,
        tokenId: null,
        nowMs: 1,
      });
    }
  });
  return ids;
}

test('a list since a revision holds what changed, and names what is gone', () =>
  withSite((site) => {
    const [first, second, third] = addClients(site, 3) as [string, string, string];
    const { revision, complete, items } = site.jump.items(undefined, ALL);
    assert.ok(complete);
    assert.equal(items.length, 3);
    site.jump.changeItem(ADMINISTRATOR, first, { comment: 'in the cellar' });
    site.jump.delete(ADMINISTRATOR, second);
    const change = site.jump.items(revision, ALL);
    assert.equal(change.complete, false);
    assert.deepEqual(
      change.items.map((item) => [item.id, item.comment]),
      [[first, 'in the cellar']],
    );
    assert.deepEqual(change.removed, [second]);
    assert.deepEqual(site.jump.items(change.revision, ALL).items, []);
    assert.ok(site.jump.items(revision - 1_000_000, ALL).complete, 'a revision of an earlier run');
    assert.ok(site.jump.item(third));
    assert.equal(site.jump.item(second), undefined);
  }));

test('the mark for duplicate names reaches the other item, too', () =>
  withSite((site) => {
    const [first, second] = addClients(site, 2) as [string, string];
    const { revision } = site.jump.items(undefined, ALL);
    site.jump.changeItem(ADMINISTRATOR, second, { name: 'ITEM 0' });
    const changed = site.jump.items(revision, ALL).items;
    assert.deepEqual(
      changed.map((item) => [item.id, item.duplicateName]).sort(),
      [
        [first, true],
        [second, true],
      ].sort(),
    );
    site.jump.changeItem(ADMINISTRATOR, second, { name: 'other' });
    assert.equal(site.jump.item(first)?.duplicateName, false);
  }));

test('groups: members see their items only; losing a membership makes the list complete again', () =>
  withSite((site) => {
    const [first] = addClients(site, 2) as [string];
    const group = site.jump.groups.create(ADMINISTRATOR, 'Servers');
    assert.throws(() => site.jump.groups.create(ADMINISTRATOR, 'servers'), { code: 'JUMP_GROUP_NAME_TAKEN' });
    assert.throws(() => site.jump.groups.change(ADMINISTRATOR, group, { memberIds: [newId('user')] }), {
      code: 'JUMP_GROUP_MEMBER_UNKNOWN',
    });
    assert.throws(() => site.jump.changeItem(ADMINISTRATOR, first, { groupId: newId('jumpGroup') }), {
      code: 'JUMP_GROUP_UNKNOWN',
    });
    site.jump.groups.change(ADMINISTRATOR, group, { memberIds: [ADA] });
    site.jump.changeItem(ADMINISTRATOR, first, { groupId: group });
    assert.deepEqual(site.jump.groupIdsOfUser(ADA), [group]);
    const mayList = ({ groupId }: { groupId: string | null }) =>
      groupId !== null && site.jump.groupIdsOfUser(ADA).includes(groupId);
    const before = site.jump.items(undefined, mayList);
    assert.deepEqual(
      before.items.map((item) => [item.id, item.groupName]),
      [[first, 'Servers']],
    );
    assert.deepEqual(site.jump.groups.list(), [{ id: group, name: 'Servers', items: 1, members: [{ id: ADA, name: 'ada' }] }]);
    site.jump.groups.delete(ADMINISTRATOR, group);
    assert.deepEqual(
      { ...site.jump.items(before.revision, mayList), revision: 0 },
      { revision: 0, complete: true, items: [], removed: [] },
    );
    assert.ok(site.jump.item(first), 'the item keeps existing');
  }));

test('ten thousand items are one valid answer', () =>
  withSite((site) => {
    addClients(site, 10_000);
    const answer = jumpItems.parse(site.jump.items(undefined, ALL));
    assert.equal(answer.items.length, 10_000);
    assert.equal(answer.items.filter((item) => item.duplicateName).length, 0);
  }));

test('an action in the wrong state is a conflict and changes nothing', () =>
  withSite((site) => {
    const [id] = addClients(site, 1) as [string];
    assert.throws(() => site.jump.approve(ADMINISTRATOR, id), { code: 'JUMP_CLIENT_STATE' });
    assert.throws(() => site.jump.confirm(ADMINISTRATOR, newId('jumpClient')), { code: 'NOT_FOUND' });
    assert.equal(site.jump.revoke(ADMINISTRATOR, id).state, 'revoked');
    assert.throws(() => site.jump.revoke(ADMINISTRATOR, id), { code: 'JUMP_CLIENT_STATE' });
  }));

test('facts that changed are written shortly after the connect, without a transaction for each client', async () => {
  const site = await TestSite.open();
  const client = await enrolledClient(site.target, site.token());
  const { ScriptedLink } = await import('@bascule/client/testing.ts');
  const facts = { hostName: 'renamed', os: 'x', arch: 'x64', addresses: [], user: 'eve', version: '2' };
  const link = await ScriptedLink.hello(site.target, client, 'a'.repeat(32), { facts });
  await link.next('accepted');
  await site.jump.close();
  assert.equal(site.jump.item(client.identity.client)?.hostName, 'renamed');
  assert.equal(site.auditCodes().filter((code) => code === 'JUMP_CLIENTS_NOTED').length, 1);
  await site.close();
});

test('the identity lives in files of the owner only, and stays the same', () =>
  withSite(async (site) => {
    assert.equal(statSync(`${site.directory}/keys`).mode & 0o777, 0o700);
    assert.equal(statSync(`${site.directory}/keys/identity.key`).mode & 0o777, 0o600);
    assert.equal(statSync(`${site.directory}/keys/link-tickets.key`).mode & 0o777, 0o600);
    const { SiteIdentity } = await import('./jump.ts');
    const again = await SiteIdentity.open({ keysDir: `${site.directory}/keys` });
    assert.equal(again.fingerprintSha256, site.identity.fingerprintSha256);
    const text = Buffer.from('head');
    assert.ok(again.verify(text, site.identity.sign(text)));
    assert.ok(!again.verify(Buffer.from('other'), site.identity.sign(text)));
  }));

test('the ring of changes is bounded; who asks for more gets the complete list', () => {
  const changes = new ItemChanges(1_700_000_000_000);
  const begin = changes.revision;
  for (let index = 0; index < CHANGE_RING_LIMIT; index += 1) changes.note(`id-${index}`);
  assert.equal(changes.since(begin)?.size, CHANGE_RING_LIMIT);
  changes.note('one more');
  assert.equal(changes.since(begin), undefined);
  assert.deepEqual(changes.since(changes.revision - 1), new Set(['one more']));
  assert.equal(changes.since(changes.revision + 1), undefined);
});

test('reconnects are spread at 500 a second; clients with sessions come first', () => {
  assert.deepEqual(reconnectWindows(15_000), { windowMs: 30_000, withSessionsWindowMs: 3000 });
  assert.deepEqual(reconnectWindows(1), { windowMs: 200, withSessionsWindowMs: 50 });
  assert.deepEqual(reconnectWindows(10_000_000), { windowMs: 600_000, withSessionsWindowMs: 60_000 });
});
