import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EndReason } from '@bascule/protocol/end-reason.ts';
import { NOT_YET, phaseOf } from './shell-phase.ts';

const live = { ...NOT_YET, linked: true, wasLinked: true };

void test('before the first welcome it connects, afterwards it reconnects', () => {
  assert.equal(phaseOf(NOT_YET), 'connecting');
  assert.equal(phaseOf({ ...live, linked: false }), 'reconnecting');
});

void test('a live link tells what is wrong beyond it', () => {
  assert.equal(phaseOf(live), 'live');
  assert.equal(phaseOf({ ...live, agentConnected: false }), 'client-away');
  assert.equal(phaseOf({ ...live, agentConnected: false, paused: true }), 'paused');
});

void test('the end outranks everything', () => {
  const ended = { reason: EndReason.processExited, exitCode: 0 };
  assert.equal(phaseOf({ ...NOT_YET, replaced: true, ended }), 'ended');
  assert.equal(phaseOf({ ...live, linked: false, replaced: true }), 'replaced');
});
