import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EVENT_TOPICS } from '@bascule/protocol/api/site.ts';
import { connectionOf } from './appliance-state.ts';
import { readTopics } from './event-topics.ts';

test('the header tells a silent appliance from a restarting or stopped site', () => {
  const ready = { siteReady: true, siteState: 'ready' };
  assert.equal(connectionOf('pending', undefined), 'connecting');
  assert.equal(connectionOf('success', ready), 'connected');
  assert.equal(connectionOf('error', ready), 'reconnecting');
  assert.equal(connectionOf('success', { siteReady: false, siteState: 'restarting' }), 'site-restarting');
  assert.equal(connectionOf('success', { siteReady: false, siteState: 'stopped' }), 'site-stopped');
});

test('an event names its topics; one that cannot be read stands for all', () => {
  assert.deepEqual(readTopics('["jump-items"]'), ['jump-items']);
  for (const broken of ['', '{', '{"a":1}', '[1]']) assert.deepEqual(readTopics(broken), EVENT_TOPICS);
});
