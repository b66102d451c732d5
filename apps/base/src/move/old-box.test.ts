/** The life of a transfer code at the old box, with a site that does what it is told, or not (docs/decisions/0360). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import type { OldBoxQuestion } from '@bascule/protocol/api/move.ts';
import type { PairOrder } from '@bascule/protocol/base-site.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { moveMigrations } from './move-migrations.ts';
import { moveIdOf, OldBox, secretHash } from './old-box.ts';

const DAY_MS = 24 * 60 * 60_000;
const BEGIN = { kind: 'begin', by: 'ada', appliance: 'south', key: 'the key that the new box made' } as const;
const ENDPOINT = { host: 'south.example', port: 443 };
const MOVED = { appliance: 'south', endpoint: ENDPOINT, url: 'https://south.example/login' };
const REFUSED = { kind: 'not-found' };

function bench() {
  const opened = openTestStore(moveMigrations);
  const orders: string[] = [];
  const site: { role: string; outcome: 'done' | 'failed' } = { role: 'single', outcome: 'done' };
  const clock = { nowMs: 0 };
  const host = {
    pairDo(_plan: string, _step: number, order: PairOrder) {
      const how = order.kind === 'end-move' && order.moved !== null ? ' moved' : '';
      orders.push(`${order.kind}${how}${site.outcome === 'failed' ? ' failed' : ''}`);
      return Promise.resolve({ outcome: site.outcome });
    },
    sitePreflight: () => Promise.resolve({ databaseBytes: 1, clientsOnline: 2, sessions: [] }),
    get pairState() {
      return { role: site.role };
    },
  };
  const open = () =>
    new OldBox({
      store: opened.store,
      host,
      applianceName: 'north',
      publicHost: 'site.example',
      publicPort: 443,
      versions: () => ({ base: '1', site: '1' }),
      webKeyPin: () => `${'A'.repeat(43)}=`,
      addresses: () => [{ host: 'north.example', port: 443 }],
      settings: () => Promise.resolve('{}'),
      log: createLog('test', 'silent'),
      now: () => clock.nowMs,
    });
  const box = open();
  const { code } = box.makeCode(testContext);
  const { secret } = JSON.parse(Buffer.from(code.slice('bt1.'.length), 'base64url').toString()) as { secret: string };
  const ask = (question: OldBoxQuestion) => box.answer(testContext, secret, question);
  const move = moveIdOf(secretHash(secret), 'south');
  const codes = () => readAudit(opened.store, { limit: 50 }).map((event) => event.code);
  return { box, open, ask, move, orders, site, clock, codes, [Symbol.dispose]: () => opened[Symbol.dispose]() };
}

test('a code is over after a day, unless a move has begun with it: that one has a week', async () => {
  using unused = bench();
  unused.clock.nowMs = DAY_MS;
  await assert.rejects(unused.ask(BEGIN), REFUSED);

  using scene = bench();
  const { box, ask, clock, orders, codes } = scene;
  await ask(BEGIN);
  clock.nowMs = 7 * DAY_MS - 1;
  box.look();
  await ask({ kind: 'settings' });
  clock.nowMs += 1;
  for (const question of [{ kind: 'settings' }, { kind: 'look' }, BEGIN] as const) await assert.rejects(ask(question), REFUSED);
  box.look();
  await box.endings.tell();
  assert.deepEqual([box.code, orders], [undefined, ['take-key', 'end-move']], 'the site takes its key back');
  assert.ok(codes().includes('MOVE_CODE_OVER'));
  box.makeCode(testContext);
});

test('the key of the first begin is the key: another one, or another box, is refused, and the same one is not', async () => {
  using scene = bench();
  const { ask, orders } = scene;
  await ask(BEGIN);
  await assert.rejects(ask({ ...BEGIN, key: 'the key of somebody else, later' }), REFUSED);
  await assert.rejects(ask({ ...BEGIN, appliance: 'west' }), REFUSED);
  assert.deepEqual(orders, ['take-key']);
  await ask(BEGIN);
});

test('two that begin at the same time: one of them', async () => {
  using scene = bench();
  const { ask } = scene;
  const outcomes = await Promise.allSettled([ask(BEGIN), ask({ ...BEGIN, key: 'the key of somebody else, then' })]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  );
});

test('a code that is taken back ends its move at the site, also when the site hears of it later', async () => {
  using scene = bench();
  const { box, ask, move, open, orders, site, codes } = scene;
  await ask(BEGIN);
  site.outcome = 'failed';
  await box.revokeCode(testContext);
  await assert.rejects(ask({ kind: 'establish', move, old: ENDPOINT, own: ENDPOINT }), REFUSED);
  const { code } = box.makeCode(testContext);
  const { secret } = JSON.parse(Buffer.from(code.slice('bt1.'.length), 'base64url').toString()) as { secret: string };
  await assert.rejects(box.answer(testContext, secret, BEGIN), { code: 'MOVE_SITE_SAID_NO' });
  site.outcome = 'done';
  const restarted = open();
  assert.ok(restarted.endings.isPending);
  await restarted.endings.tell();
  assert.deepEqual(orders, ['take-key', 'end-move failed', 'end-move failed', 'end-move']);
  assert.ok(!restarted.endings.isPending && codes().includes('MOVE_SITE_TOLD'));
});

test('a code that nobody has used is taken back without a word to the site; one whose move is cancelled is over', async () => {
  using unused = bench();
  await unused.box.revokeCode(testContext);
  assert.deepEqual(unused.orders, []);

  using scene = bench();
  const { box, ask, move, orders } = scene;
  await ask(BEGIN);
  await ask({ kind: 'cancel', move });
  assert.deepEqual([orders, box.code], [['take-key', 'end-move'], undefined]);
});

test('once the other box serves, the code is good for the end, however late; taking it back leaves the relationship', async () => {
  using late = bench();
  await late.ask(BEGIN);
  late.site.role = 'backup';
  late.clock.nowMs = 30 * DAY_MS;
  late.box.look();
  await assert.rejects(late.ask({ kind: 'settings' }), REFUSED);
  assert.deepEqual(await late.ask({ kind: 'end', move: late.move, moved: MOVED }), { kind: 'done' });
  assert.deepEqual([late.orders, late.box.moved?.appliance], [['take-key', 'end-move moved'], 'south']);

  using scene = bench();
  const { box, ask, orders, site } = scene;
  await ask(BEGIN);
  site.role = 'backup';
  await box.revokeCode(testContext);
  assert.deepEqual(orders, ['take-key', 'put-key-back']);
});
