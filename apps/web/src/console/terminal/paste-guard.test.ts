import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanPaste, decidePaste, PASTE_MAX_CHARACTERS, PASTE_PREVIEW_LINES, pasteInput } from './paste-guard.ts';

void test('one line goes at once', () => {
  assert.deepEqual(decidePaste('ls -l', false), { kind: 'send', text: 'ls -l' });
});

void test('a single line with a line end would run at once: asked', () => {
  const decision = decidePaste('rm -rf x\n', false);
  assert.deepEqual(decision, { kind: 'ask', text: 'rm -rf x\r', lines: 1, preview: ['rm -rf x'] });
});

void test('several lines are asked about, with a preview', () => {
  const decision = decidePaste('a\r\nb\nc', false);
  assert.deepEqual(decision, { kind: 'ask', text: 'a\rb\rc', lines: 3, preview: ['a', 'b', 'c'] });
});

void test('with bracketed paste the far side decides', () => {
  assert.deepEqual(decidePaste('a\nb', true), { kind: 'send', text: 'a\rb' });
  assert.equal(pasteInput('a\rb', true), '\u001b[200~a\rb\u001b[201~');
  assert.equal(pasteInput('a', false), 'a');
});

void test('pasted text cannot end the bracket or send control characters', () => {
  assert.equal(cleanPaste('a\u001b[201~\u0003b\tc\u009b1m'), 'a[201~b\tc1m');
});

void test('the preview is short, the text is whole', () => {
  const decision = decidePaste(Array.from({ length: 100 }, (_, line) => `${line} ${'x'.repeat(400)}`).join('\n'), false);
  assert.ok(decision.kind === 'ask');
  assert.equal(decision.lines, 100);
  assert.equal(decision.preview.length, PASTE_PREVIEW_LINES);
  assert.ok(decision.preview.every((line) => line.length < 200));
  assert.ok(decision.text.length > 40_000);
});

void test('too much is refused, nothing is nothing', () => {
  assert.equal(decidePaste('x'.repeat(PASTE_MAX_CHARACTERS + 1), true).kind, 'too-long');
  assert.equal(decidePaste('\u0000', false).kind, 'nothing');
});
