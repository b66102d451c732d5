import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EndReason } from '@bascule/protocol/end-reason.ts';
import { FAR_SIDE_SILENT_MS, NOT_YET, phaseOf, shownPhase } from './shell-phase.ts';

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

void test('a live link whose far side confirms nothing is not shown as live', () => {
  assert.equal(shownPhase('live', undefined), 'live');
  assert.equal(shownPhase('live', FAR_SIDE_SILENT_MS - 1), 'live');
  assert.equal(shownPhase('live', FAR_SIDE_SILENT_MS), 'unconfirmed');
  assert.equal(shownPhase('reconnecting', FAR_SIDE_SILENT_MS), 'reconnecting');
});
