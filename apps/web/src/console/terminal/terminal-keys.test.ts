import assert from 'node:assert/strict';
import { test } from 'node:test';
import { terminalCommand } from './terminal-keys.ts';

const press = (code: string, keys: Partial<Record<'ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey', boolean>>) =>
  terminalCommand({ type: 'keydown', code, ctrlKey: false, shiftKey: false, altKey: false, metaKey: false, ...keys });

void test('Ctrl+Shift takes a few keys, Ctrl alone none: Ctrl+C interrupts', () => {
  assert.equal(press('KeyC', { ctrlKey: true, shiftKey: true }), 'copy');
  assert.equal(press('KeyC', { ctrlKey: true }), undefined);
  assert.equal(press('ArrowRight', { ctrlKey: true, shiftKey: true }), 'next-tab');
  assert.equal(press('KeyX', { ctrlKey: true, shiftKey: true }), undefined);
});

void test('Cmd does what a Mac expects', () => {
  assert.equal(press('KeyV', { metaKey: true }), 'paste');
  assert.equal(press('KeyL', { metaKey: true }), undefined);
});

void test('only the press counts, not the release', () => {
  assert.equal(
    terminalCommand({ type: 'keyup', code: 'KeyC', ctrlKey: true, shiftKey: true, altKey: false, metaKey: false }),
    undefined,
  );
});
