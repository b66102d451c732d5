import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EscapeScanner } from './escape-scanner.ts';

const plain = (text: string): string => new EscapeScanner().feed(text);

void test('colours, titles and character sets are taken out', () => {
  assert.equal(plain('\u001b[1;31mred\u001b[0m \u001b]0;title\u0007x\u001b(By\u001bPdevice\u001b\\z\r\n'), 'red xyz\n');
});

void test('it knows when the text ends inside a sequence', () => {
  for (const open of ['\u001b', '\u001b[12', '\u001b]0;ti', '\u001bP1\u001b', '\u001b(']) {
    const scanner = new EscapeScanner();
    scanner.feed(`a${open}`);
    assert.ok(scanner.insideSequence, JSON.stringify(open));
  }
  const aborted = new EscapeScanner();
  assert.equal(aborted.feed('\u001b[1\u0018b'), 'b');
  assert.equal(aborted.insideSequence, false);
});

void test('where the output is cut makes no difference', () => {
  const piece = fc.constantFrom(
    'a',
    'b ',
    '\n',
    '\u001b[0m',
    '\u001b]2;x\u0007',
    '\u001b(0',
    '\u001bPq\u001b\\',
    '\u001b[?2004h',
    'é',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 0, max: 200 }), (pieces, cut) => {
      const text = pieces.join('');
      const scanner = new EscapeScanner();
      assert.equal(scanner.feed(text.slice(0, cut)) + scanner.feed(text.slice(cut)), plain(text));
    }),
  );
});
