import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { insertSession, sessionById } from './access-session/access-session-store.ts';
import { insertClient } from './jump/jump-store.ts';
import { openTestSite } from './testing.ts';

const EVENT = { code: 'TEST_PREPARED', summary: '', details: {} };

/** A site with one Jump Item, and whatever sessions a test puts onto it. */
async function openWithItem() {
  const opened = await openTestSite();
  const { store, jump, accounts, sessions } = opened.site.parts;
  const groupId = jump.groups.create(SYSTEM, 'linux');
  const item = newId('jumpClient');
  const facts = { hostName: 'web01', os: 'Debian', arch: 'x64', addresses: [], user: 'root', version: '1' };
  const client = {
    id: item,
    name: 'web01',
    groupId,
    state: 'approved' as const,
    facts,
    keySha256: '00',
    tokenId: null,
    nowMs: 1,
  };
  store.transact(SYSTEM, EVENT, (tx) => insertClient(tx, client));
  return {
    ...opened,
    groupId,
    item,
    /** A user, member of the group unless an administrator, with a running session. */
    async addUser(name: string, role: 'user' | 'administrator'): Promise<{ user: string; session: string }> {
      const { user } = await accounts.users.create(SYSTEM, { name, displayName: name, role });
      const session = newId('accessSession');
      const row = { state: 'live' as const, userId: user.id, userName: name, jumpItemId: item, jumpItemName: 'web01' };
      const rest = { hostName: 'web01', runsAs: 'root', fromAddress: '', startedAtMs: 1, cols: 80, rows: 24, recordsInput: 0 };
      const none = { endRequested: null, detachedSinceMs: null, awaySinceMs: null, endedAtMs: null, endReason: null };
      const figures = { exitCode: null, outBytes: 0, inBytes: 0, recordingBytes: null, headSha256: null };
      store.transact(SYSTEM, EVENT, (tx) =>
        insertSession(tx, { ...row, ...rest, ...none, ...figures, id: session, recordingFile: `${session}.bsr` }),
      );
      return { user: user.id, session };
    },
    start: () => sessions.start(),
    endRequested: (session: string) => sessionById(store, session)?.endRequested,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

test('sessions end when their users leave the group, or the item does; administrators keep theirs', async () => {
  await using site = await openWithItem();
  const { jump } = site.site.parts;
  const anna = await site.addUser('anna', 'user');
  const ben = await site.addUser('ben', 'user');
  const boss = await site.addUser('boss', 'administrator');
  jump.groups.change(SYSTEM, site.groupId, { memberIds: [anna.user, ben.user] });
  site.start();
  const ends = () => [anna, ben, boss].map(({ session }) => site.endRequested(session));
  assert.deepEqual(ends(), [null, null, null]);
  jump.groups.change(SYSTEM, site.groupId, { memberIds: [ben.user] });
  assert.deepEqual(ends(), ['user-disabled', null, null]);
  jump.changeItem(SYSTEM, site.item, { name: 'web-1' });
  assert.deepEqual(ends(), ['user-disabled', null, null]);
  jump.changeItem(SYSTEM, site.item, { groupId: jump.groups.create(SYSTEM, 'other') });
  assert.deepEqual(ends(), ['user-disabled', 'user-disabled', null]);
});

test('sessions end when their group is deleted, and when an administrator becomes a user', async () => {
  await using site = await openWithItem();
  const { jump, accounts } = site.site.parts;
  const anna = await site.addUser('anna', 'user');
  const boss = await site.addUser('boss', 'administrator');
  jump.groups.change(SYSTEM, site.groupId, { memberIds: [anna.user] });
  site.start();
  jump.groups.delete(SYSTEM, site.groupId);
  assert.deepEqual([site.endRequested(anna.session), site.endRequested(boss.session)], ['user-disabled', null]);
  accounts.users.change(SYSTEM, boss.user, { role: 'user' });
  assert.equal(site.endRequested(boss.session), 'user-disabled');
});
