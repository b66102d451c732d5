import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  activateTab,
  closeTab,
  NO_TABS,
  openTab,
  rememberedTabs,
  rememberTabs,
  sessionInAddress,
  stepTab,
  withoutGone,
} from './session-tabs.ts';

const three = ['a', 'b', 'c'].reduce(openTab, NO_TABS);

void test('a new tab comes to the front; one that is there is not doubled', () => {
  assert.deepEqual(three, { open: ['a', 'b', 'c'], active: 'c' });
  assert.deepEqual(openTab(three, 'a'), { open: ['a', 'b', 'c'], active: 'a' });
});

void test('closing goes to the right neighbour, then the left, then the list', () => {
  assert.equal(closeTab(activateTab(three, 'b'), 'b').active, 'c');
  assert.equal(closeTab(three, 'c').active, 'b');
  assert.equal(closeTab(openTab(NO_TABS, 'a'), 'a').active, null);
  assert.equal(closeTab(three, 'a').active, 'c', 'closing another tab leaves the front one');
  assert.equal(closeTab(three, 'zzz'), three);
});

void test('stepping goes around through the list', () => {
  assert.equal(stepTab(three, 1).active, null);
  assert.equal(stepTab(stepTab(three, 1), -1).active, 'c');
  assert.equal(stepTab(activateTab(three, null), 1).active, 'a');
});

void test('over a reload the tabs stay, but only of sessions that run', () => {
  let kept: string | null = null;
  const storage = { getItem: () => kept, setItem: (_key: string, value: string) => void (kept = value) };
  rememberTabs(storage, three);
  assert.deepEqual(withoutGone(rememberedTabs(storage), new Set(['a', 'b'])), { open: ['a', 'b'], active: 'b' });
  kept = '{"open":7}';
  assert.deepEqual(rememberedTabs(storage), NO_TABS);
});

void test('the address names a session', () => {
  assert.equal(sessionInAddress('/console/sessions/acs_1'), 'acs_1');
  assert.equal(sessionInAddress('/console'), undefined);
});
