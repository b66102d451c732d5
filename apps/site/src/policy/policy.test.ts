import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Principal } from '@bascule/http/principal.ts';
import { ACTIONS } from './policy-actions.ts';
import { isAccessGrant, Policy } from './policy.ts';

const principal = (role: Principal['role'], state: Principal['state'] = 'ok'): Principal => ({
  id: 'usr_1',
  name: 'ann',
  displayName: 'Ann',
  role,
  state,
  loginSession: 'lgs_1',
  csrf: 'token',
  language: 'en',
});
const policy = new Policy({ groupIdsOfUser: (id) => (id === 'usr_1' ? ['jg_own'] : []) });

test('a user gets the actions of users and none of the administrators', () => {
  for (const [action, least] of Object.entries(ACTIONS)) {
    assert.equal(policy.authorize(principal('user'), action) !== undefined, least === 'user', action);
    assert.ok(policy.authorize(principal('administrator'), action), action);
  }
  assert.equal(policy.authorize(principal('administrator'), 'toString'), undefined);
});

test('an unfinished login gets its own account and nothing else', () => {
  for (const state of ['second-factor', 'change-password'] as const) {
    assert.equal(policy.authorize(principal('administrator', state), 'status.read'), undefined);
    assert.ok(policy.authorize(principal('administrator', state), 'account.own'));
  }
});

test('users reach the items of their Jump Groups; administrators reach all, also those without a group', () => {
  const reach = (role: Principal['role'], groupId: string | null) =>
    policy.authorizeItem(principal(role), 'jump-items.jump', { groupId })?.item.groupId;
  assert.equal(reach('user', 'jg_own'), 'jg_own');
  assert.equal(reach('user', 'jg_other'), undefined);
  assert.equal(reach('user', null), undefined);
  assert.equal(reach('administrator', null), null);
  assert.equal(policy.authorizeItem(principal('administrator'), 'jump-items.jump', undefined), undefined);
  const mayJump = (role: Principal['role'], groupId: string | null) => policy.mayJump({ id: 'usr_1', role }, { groupId });
  assert.deepEqual(
    [mayJump('user', 'jg_own'), mayJump('user', 'jg_other'), mayJump('user', null), mayJump('administrator', null)],
    [true, false, false, true],
  );
  const filter = policy.itemFilter(principal('user'));
  assert.deepEqual(
    [filter({ groupId: 'jg_own' }), filter({ groupId: 'jg_other' }), filter({ groupId: null })],
    [true, false, false],
  );
});

test('a grant cannot be imitated', () => {
  const grant = policy.authorize(principal('user'), 'status.read');
  assert.ok(grant && isAccessGrant(grant));
  assert.equal(isAccessGrant(Object.assign({}, grant)), false);
});
