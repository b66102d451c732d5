import assert from 'node:assert/strict';
import { test } from 'node:test';
import { upgradeState } from '@bascule/protocol/api/fleet.ts';
import { clientState } from '@bascule/protocol/api/jump.ts';
import { STATE_WORDS } from './commands.ts';

test('ls says every state in words', () => {
  for (const state of [...upgradeState.options, ...clientState.options]) assert.match(STATE_WORDS[state], /^[a-z ]+$/);
  assert.equal(STATE_WORDS.unsupported, 'cannot upgrade itself');
  assert.equal(STATE_WORDS['waiting-for-session'], 'waiting for a session');
});
