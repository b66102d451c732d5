import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testContext } from '@bascule/store/testing.ts';
import { accountById } from './account-store.ts';
import { openTestAccounts } from './testing.ts';

test('a language counts as chosen only once the person has chosen it, English included', async () => {
  using env = openTestAccounts();
  const id = await env.addUser('ada', 'a long enough password');
  const language = () => {
    const account = accountById(env.store, id);
    return [account?.language, account?.languageChosen];
  };
  assert.deepEqual(language(), ['en', 0]);
  env.accounts.users.changeOwn(testContext, id, { displayName: 'Ada' });
  assert.deepEqual(language(), ['en', 0]);
  env.accounts.users.changeOwn(testContext, id, { language: 'en' });
  assert.deepEqual(language(), ['en', 1]);
  env.accounts.users.changeOwn(testContext, id, { language: 'de' });
  assert.deepEqual(language(), ['de', 1]);
});
