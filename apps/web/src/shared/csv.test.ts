import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvLine } from './csv.ts';

test('quotes are doubled, separators stay inside, and no machine can name itself a formula', () => {
  assert.equal(csvLine(['web-01', 'say "hi", all', 'a\nb']), '"web-01","say ""hi"", all","a\nb"\r\n');
  assert.equal(csvLine(['=1+1', '@SUM(A1)', '-2', '+3', '1-2']), '"\'=1+1","\'@SUM(A1)","\'-2","\'+3","1-2"\r\n');
});
