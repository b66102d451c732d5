import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessSessionRow } from '@bascule/protocol/api/access-sessions.ts';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { chooseSession } from './jump.ts';
import { chooseItem } from './jump-items.ts';

let ids = 0;
const item = (name: string, groupName: string | null = null, online = true): JumpItem =>
  ({ id: `jc_${++ids}`, name, groupName, hostName: `host-${ids}`, online }) as JumpItem;
const session = (jumpItemName: string, viewers = 0): AccessSessionRow =>
  ({ id: `acs_${++ids}`, jumpItemName, viewers, startedAtMs: 1_790_000_000_000 }) as AccessSessionRow;

test('the exact name goes before a part of another; case does not matter', () => {
  const items = [item('web'), item('web-2'), item('db')];
  assert.equal(chooseItem(items, 'WEB').name, 'web');
  assert.equal(chooseItem(items, 'b-2').name, 'web-2');
  assert.equal(chooseItem(items, items[2]!.id).name, 'db');
});

test('several of one name are listed with their groups, and named by group or id', () => {
  const items = [item('web', 'Berlin'), item('web', 'Paris', false), item('web'), item('web')];
  assert.throws(
    () => chooseItem(items, 'web'),
    (error: Error) =>
      /Berlin\/web\n {2}Paris\/web {2}\(offline\)\n {2}jc_\d+ {2}web on host-\d+\n/.test(error.message) &&
      !/undefined/.test(error.message),
  );
  assert.equal(chooseItem(items, 'paris/web').groupName, 'Paris');
});

test('nothing found says how to list', () => {
  assert.throws(() => chooseItem([item('web')], 'mail'), { exitCode: 66, message: /'bascule ls' lists yours/ });
});

test('the one session that nobody has open is taken up; several are listed', () => {
  const [open, free] = [session('web', 1), session('db')];
  assert.equal(chooseSession([open, free], undefined), free);
  assert.equal(chooseSession([open, free], 'web'), open, 'named: also one that is open elsewhere');
  assert.throws(() => chooseSession([free, session('db')], undefined), {
    exitCode: 66,
    message: /Several sessions.*\n {2}acs_\d+ {2}db/,
  });
  assert.throws(() => chooseSession([], undefined), { exitCode: 66, message: /'bascule jump NAME' opens one/ });
});
