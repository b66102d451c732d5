import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { searchJumpItemsQuery } from '@bascule/protocol/api/jump.ts';
import type { ClientSoftware } from '@bascule/protocol/client-program.ts';
import { ScriptedLink, enrolledClient } from '@bascule/client/testing.ts';
import { CHECK_IN_GRACE_MS } from './check-ins.ts';
import { ItemChanges } from './item-changes.ts';
import { ADMINISTRATOR, TestSite } from './testing.ts';

const A = 'a'.repeat(32);
const RULES = { offlineAfterSeconds: 90, checkInHours: 24, toleratesDates: true };
const everything = () => true;

const software = (mode: 'active' | 'passive', authority: string): ClientSoftware => ({
  program: 'jump-client',
  version: '0.2.0',
  revision: 'abc',
  platform: 'linux-x64',
  mode,
  bundle: null,
  runtime: null,
  upgradable: false,
  trial: false,
  dials: { host: '127.0.0.1', port: 443, proxy: false },
  freeBytes: null,
  authority,
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

async function withClient(
  run: (site: TestSite, client: Awaited<ReturnType<typeof enrolledClient>>) => Promise<void>,
  now?: () => number,
): Promise<void> {
  const site = await TestSite.open({ now });
  try {
    await run(site, await enrolledClient(site.target, site.token()));
  } finally {
    mock.timers.reset();
    await site.close();
  }
}

const connect = (site: TestSite, client: Awaited<ReturnType<typeof enrolledClient>>, mode: 'active' | 'passive') =>
  ScriptedLink.hello(site.target, client, A, { software: software(mode, site.identity.fingerprintSha256) });

test('a client keeps the mode it was installed with until an administrator chooses; then the site says which, also when it was away', () =>
  withClient(async (site, client) => {
    const id = client.identity.client;
    const link = await connect(site, client, 'passive');
    assert.equal((await link.next('accepted')).settings?.mode, 'passive');
    site.jump.changeItem(ADMINISTRATOR, id, { mode: 'active' });
    assert.equal((await link.next('settings')).settings.mode, 'active');
    link.webSocket.close();
    await until(() => !site.jump.isOnline(id));
    await site.jump.bulk(ADMINISTRATOR, { ids: [id], action: { kind: 'mode', mode: 'passive' } });
    // What it reports is what it still ran as; the wish of the administrator stands.
    await until(() => site.jump.item(id)?.revision === 'abc');
    const again = await connect(site, client, 'active');
    assert.equal((await again.next('accepted')).settings?.mode, 'passive');
    assert.equal(site.jump.item(id)?.mode, 'passive');
  }));

test('a passive client without anything to do is told so, and its next check-in is known (B104-B107)', () => {
  let nowMs = Date.now();
  return withClient(
    async (site, client) => {
      const id = client.identity.client;
      let isWanted = true;
      site.jump.keepCheckIn((clientId) => isWanted && clientId === id);
      site.jump.setClientRules({ ...RULES, checkInHours: 6 });
      const link = await connect(site, client, 'passive');
      const { settings } = await link.next('accepted');
      assert.deepEqual(settings, { mode: 'passive', checkInHours: 6, toleratesDates: true });
      assert.equal(site.jump.target(id)?.nextCheckInMs, null, 'it is here');
      const over = link.next('check-in-over');
      let isOver = false;
      void over.then(() => (isOver = true));
      nowMs += CHECK_IN_GRACE_MS * 3;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      assert.equal(isOver, false, 'somebody needs it');
      isWanted = false;
      nowMs += CHECK_IN_GRACE_MS * 3;
      await over;
      link.webSocket.close();
      await until(() => !site.jump.isOnline(id));
      await until(() => site.jump.item(id)?.mode === 'passive');
      assert.equal(site.jump.target(id)?.nextCheckInMs, nowMs + 6 * 60 * 60_000);
      assert.equal(site.jump.item(id)?.nextCheckInMs, nowMs + 6 * 60 * 60_000);
    },
    () => nowMs,
  );
});

test('presence is searched and counted as it is now', () =>
  withClient(async (site, client) => {
    const id = client.identity.client;
    await site.jump.listsReady();
    const find = async (online: boolean) =>
      (await site.jump.search(searchJumpItemsQuery.parse({ online: String(online) }), everything)).total;
    assert.deepEqual([await find(true), await find(false)], [0, 1]);
    const link = await ScriptedLink.hello(site.target, client, A);
    await link.next('accepted');
    assert.deepEqual([await find(true), await find(false)], [1, 0]);
    assert.deepEqual(await site.jump.countsFor(everything), { online: 1, total: 1 });
    link.webSocket.close();
    await until(() => !site.jump.isOnline(id));
    assert.deepEqual([await find(true), await find(false)], [0, 1]);
  }));

test('the time after which a silent client is offline is a setting with bounds; connected ones stay', async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  await withClient(async (site, client) => {
    for (const offlineAfterSeconds of [29, 601, 30.5])
      assert.throws(() => site.jump.setClientRules({ ...RULES, offlineAfterSeconds }), { code: 'JUMP_CLIENT_RULES' });
    const mute = await enrolledClient(site.target, site.token());
    const link = await ScriptedLink.hello(site.target, client, A);
    const muteLink = await ScriptedLink.hello(site.target, mute, A);
    await Promise.all([link.next('accepted'), muteLink.next('accepted')]);
    site.jump.setClientRules({ ...RULES, offlineAfterSeconds: 30 });
    muteLink.webSocket.pause();
    for (let second = 0; second < 42; second += 1) {
      mock.timers.tick(1000);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await until(() => !site.jump.isOnline(mute.identity.client));
    assert.ok(site.jump.isOnline(client.identity.client));
  });
});

test('a thousand changes at once are two calls of a listener, and none is lost', async () => {
  const changes = new ItemChanges(1000);
  let calls = 0;
  changes.onChange(() => (calls += 1));
  const before = changes.revision;
  for (let n = 0; n < 1000; n += 1) changes.note(`jc_${n}`);
  assert.equal(calls, 1, 'the first is told at once');
  await new Promise((resolve) => setTimeout(resolve, 250));
  assert.equal(calls, 2);
  assert.equal(changes.since(before)?.size, 1000);
  changes.close();
});
