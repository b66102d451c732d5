import assert from 'node:assert/strict';
import { test } from 'node:test';
import { line, optionalLine, reported } from './text.ts';

/** Marks, embeddings, overrides and isolates of direction (Unicode: Bidi_Control), and a control character. */
const UNSEEN = [
  '\u061c',
  '\u200e',
  '\u200f',
  '\u202a',
  '\u202b',
  '\u202c',
  '\u202d',
  '\u202e',
  '\u2066',
  '\u2067',
  '\u2068',
  '\u2069',
  '\u0007',
];

test('what turns the direction of text is replaced in what machines report, and refused in what people type', () => {
  for (const character of UNSEEN) {
    assert.equal(reported(64).parse(`web${character}01`), 'web\u{FFFD}01');
    assert.ok(!line(64).safeParse(`web${character}01`).success);
    assert.ok(!optionalLine(64).safeParse(`web${character}01`).success);
  }
  assert.equal(reported(64).parse('שרת-01 خادم'), 'שרת-01 خادم', 'names of every script stay');
  assert.equal(line(64).parse('שרת-01'), 'שרת-01');
});
