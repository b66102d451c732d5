import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bulkTarget, isSelected, NOTHING_SELECTED, selectedCount, SELECTED_MAX, toggled } from './client-selection.ts';

test('rows are ticked and unticked; the action is for those', () => {
  const both = toggled(toggled(NOTHING_SELECTED, 'jc_1'), 'jc_2');
  assert.equal(selectedCount(both, 99), 2);
  assert.deepEqual(bulkTarget(toggled(both, 'jc_1'), { tag: 'x' }), { ids: ['jc_2'] });
  assert.equal(selectedCount(NOTHING_SELECTED, 99), 0, 'the earlier selection is not touched');
});

test('all found is the search itself, however many they are', () => {
  const all = { kind: 'all' } as const;
  assert.equal(selectedCount(all, 100_000), 100_000);
  assert.ok(isSelected(all, 'jc_7'));
  assert.deepEqual(bulkTarget(all, { text: 'web', online: false }), { search: { text: 'web', online: false } });
  assert.deepEqual(bulkTarget(toggled(all, 'jc_7'), {}), { ids: ['jc_7'] });
});

test('no more are ticked than one request may name', () => {
  const full = { kind: 'some', ids: new Set(Array.from({ length: SELECTED_MAX }, (_, n) => `jc_${n}`)) } as const;
  assert.equal(selectedCount(toggled(full, 'jc_new'), 0), SELECTED_MAX);
  assert.equal(selectedCount(toggled(full, 'jc_0'), 0), SELECTED_MAX - 1);
});
