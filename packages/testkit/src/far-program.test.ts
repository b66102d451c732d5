import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FarProgram } from './far-program.ts';

test('the account of a far program is whole when the last echo is written down too, which may come after what was typed', () => {
  using far = new FarProgram(10, 0);
  const note = (name: 'received' | 'produced', text: string) => writeFileSync(join(far.directory, name), text);
  note('received', 'ab');
  note('produced', 'STARTab');
  assert.equal(far.account(3), undefined);
  note('received', 'abc');
  assert.equal(far.account(3), undefined, 'its echo is on its way to the terminal, and not written down');
  note('produced', 'STARTabc');
  assert.equal(far.account(3)?.toString(), 'STARTabc');
});
