import assert from 'node:assert/strict';
import { test } from 'node:test';
import { searchJumpItemsQuery } from '@bascule/protocol/api/jump.ts';
import { ADMINISTRATOR, fillJumpItems, TestSite } from './testing.ts';

const ITEMS = 100_000;
const everything = () => true;
const query = (wanted: Record<string, unknown>) => searchJumpItemsQuery.parse(wanted);

void test('100,000 Jump Items: found, counted, sorted, paged and changed many at once', async (context) => {
  const site = await TestSite.open();
  context.after(() => site.close());
  const { jump } = site;
  const [berlin, zwolle] = ['Berlin', 'Zwolle'].map((name) => jump.groups.create(ADMINISTRATOR, name));
  assert.ok(berlin !== undefined && zwolle !== undefined);
  fillJumpItems(site.store, ITEMS, [berlin, zwolle, null]);
  await jump.listsReady();
  const find = (wanted: Record<string, unknown>, mayList: Parameters<typeof jump.search>[1] = everything) =>
    jump.search(query(wanted), mayList);
  const names = async (wanted: Record<string, unknown>) => (await find(wanted)).items.map(({ name }) => name);

  await context.test('a page holds what is asked for, the total everything that fits', async () => {
    const page = await find({ limit: 3 });
    assert.equal(page.total, ITEMS);
    assert.deepEqual(
      page.items.map(({ name }) => name),
      ['node-0', 'node-1', 'node-2'],
    );
    assert.deepEqual(await names({ offset: 99_999 }), ['node-99999']);
    assert.deepEqual(await names({ offset: 100_000 }), []);
    assert.deepEqual(await names({ descending: 'true', limit: 2 }), ['node-99999', 'node-99998']);
  });

  await context.test('every word must be somewhere: name, host, address, comment, tag, group', async () => {
    assert.deepEqual(await names({ text: 'NODE-4711' }), ['node-4711', ...Array.from({ length: 10 }, (_, n) => `node-4711${n}`)]);
    assert.deepEqual(await names({ text: 'host-99999 zwolle' }), []);
    assert.deepEqual(await names({ text: 'host-99999.' }), ['node-99999']);
    assert.deepEqual(await names({ text: '10.1.134.159' }), ['node-99999']);
    assert.equal((await find({ text: 'zwolle odd' })).total, (await find({ groupId: zwolle, tag: 'odd' })).total);
  });

  await context.test('filters are combined, and groups and tags are counted whatever the filter', async () => {
    const page = await find({ groupId: berlin, tag: 'odd', state: 'approved', limit: 1 });
    const expected = Array.from({ length: ITEMS }, (_, n) => n).filter((n) => n % 3 === 0 && n % 2 === 1 && n % 100 !== 7);
    assert.equal(page.total, expected.length);
    assert.deepEqual(
      page.groups.map(({ name, items, online }) => [name, items, online]),
      [
        ['Berlin', 33_334, 0],
        ['Zwolle', 33_333, 0],
        [null, 33_333, 0],
      ],
    );
    assert.deepEqual(page.tags, [
      { tag: 'even', items: 50_000 },
      { tag: 'odd', items: 50_000 },
    ]);
    assert.deepEqual(page.programs, [
      { program: 'jump-client', items: 90_000, online: 0 },
      { program: 'jumpoint', items: 10_000, online: 0 },
    ]);
    assert.deepEqual(await names({ program: 'jumpoint', limit: 2 }), ['node-9', 'node-19']);
    assert.equal((await find({ program: 'jump-client', tag: 'even' })).total, 50_000);
    assert.equal((await find({ groupId: 'none' })).total, 33_333);
    assert.equal((await find({ online: 'true' })).total, 0);
    assert.equal((await find({ state: 'waiting-for-approval' })).total, 1000);
    assert.deepEqual(jump.counts(), { total: ITEMS, waiting: 1000, online: 0, conflicts: 0 });
  });

  await context.test('sorted by what few or many items have in common; equal ones stay by name', async () => {
    assert.deepEqual(await names({ sort: 'attention', limit: 2 }), ['node-7', 'node-107']);
    assert.deepEqual(await names({ sort: 'group', limit: 2, offset: 33_333 }), ['node-0', 'node-3']);
    assert.deepEqual(await names({ sort: 'group', descending: 'true', limit: 2 }), ['node-1', 'node-4']);
    assert.deepEqual(await names({ sort: 'version', descending: 'true', limit: 2 }), ['node-9', 'node-19']);
    assert.deepEqual(await names({ sort: 'host', descending: 'true', limit: 1 }), ['node-99999']);
    assert.deepEqual(await names({ sort: 'since', limit: 2 }), ['node-0', 'node-1']);
  });

  await context.test('a user sees the groups they are a member of, and nothing else is counted', async () => {
    const page = await find({ text: '', limit: 2 }, ({ groupId }) => groupId === zwolle);
    assert.equal(page.total, 33_333);
    assert.deepEqual(
      page.items.map(({ name }) => name),
      ['node-1', 'node-4'],
    );
    assert.deepEqual(
      page.groups.map(({ name }) => name),
      ['Zwolle'],
    );
    assert.equal(
      page.tags.reduce((sum, { items }) => sum + items, 0),
      33_333,
    );
    assert.equal(
      page.programs.reduce((sum, { items }) => sum + items, 0),
      33_333,
    );
    assert.deepEqual(await jump.countsFor(({ groupId }) => groupId === zwolle), { total: 33_333, online: 0 });
    assert.equal((await find({ groupId: berlin }, ({ groupId }) => groupId === zwolle)).total, 0);
  });

  await context.test('one change is found at once', async () => {
    const { items } = await find({ text: 'node-4242', limit: 1 });
    const id = items[0]!.id;
    const before = (await find({ limit: 1 })).revision;
    jump.changeItem(ADMINISTRATOR, id, { name: 'Äpfel 2', tags: ['fruit', ' fruit', 'odd'], comment: 'cellar', mode: 'passive' });
    const page = await find({ text: 'apfel', limit: 1 });
    assert.equal(page.total, 0, 'accents count when searching');
    const found = await find({ text: 'äpfel cellar', tag: 'fruit' });
    assert.deepEqual([found.total, found.items[0]!.tags, found.items[0]!.mode], [1, ['fruit', 'odd'], 'passive']);
    assert.ok(found.revision > before);
    assert.deepEqual(await names({ limit: 1 }), ['Äpfel 2'], 'and sorted without them');
    jump.delete(ADMINISTRATOR, id);
    assert.equal((await find({ tag: 'fruit' })).total, 0);
    assert.equal((await find({})).total, ITEMS - 1);
  });

  await context.test('those that are named, and everything that a search finds, are changed or skipped', async () => {
    const all = await jump.search(query({ text: 'host-1', limit: 500 }), everything);
    const ids = all.items.map(({ id }) => id);
    assert.deepEqual(await jump.bulk(ADMINISTRATOR, { ids, action: { kind: 'group', groupId: zwolle } }), {
      changed: ids.length - all.items.filter(({ groupId }) => groupId === zwolle).length,
      skipped: all.items.filter(({ groupId }) => groupId === zwolle).length,
    });
    const tagged = await jump.bulk(ADMINISTRATOR, {
      search: { tag: 'even', text: 'node-77' },
      action: { kind: 'tags', add: ['new'], remove: ['even'] },
    });
    assert.deepEqual(tagged, { changed: 555, skipped: 0 });
    assert.equal((await find({ tag: 'new' })).total, tagged.changed);
    assert.equal((await find({ tag: 'even', text: 'node-77' })).total, 0);
    const some = await jump.bulk(ADMINISTRATOR, { search: { text: 'node-70' }, action: { kind: 'approve' } });
    assert.deepEqual(some, { changed: 12, skipped: 1099 });
    assert.equal(jump.counts().waiting, 1000 - some.changed);
    const gone = await jump.bulk(ADMINISTRATOR, { search: { groupId: berlin, text: 'node-5' }, action: { kind: 'delete' } });
    assert.equal((await find({})).total, ITEMS - 1 - gone.changed);
    assert.equal((await find({ groupId: berlin, text: 'node-5' })).total, 0);
  });
});

void test('a bulk action that cannot be done changes nothing', async (context) => {
  const site = await TestSite.open();
  context.after(() => site.close());
  fillJumpItems(site.store, 10, [null]);
  await site.jump.listsReady();
  const refused = (body: Parameters<typeof site.jump.bulk>[1], code: string) =>
    assert.rejects(site.jump.bulk(ADMINISTRATOR, body), { code });
  await refused({ action: { kind: 'revoke' } }, 'JUMP_BULK_ITEMS');
  await refused({ ids: [], search: {}, action: { kind: 'revoke' } }, 'JUMP_BULK_ITEMS');
  await refused(
    { search: {}, action: { kind: 'group', groupId: 'jg_01900000-0000-7000-8000-000000000000' } },
    'JUMP_GROUP_UNKNOWN',
  );
  assert.deepEqual(await site.jump.bulk(ADMINISTRATOR, { ids: [], action: { kind: 'revoke' } }), { changed: 0, skipped: 0 });
  assert.ok(!site.auditCodes().includes('JUMP_ITEMS_BULK'));
});
