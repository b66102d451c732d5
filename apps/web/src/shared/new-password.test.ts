import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_PASSWORD, passwordProblem } from './new-password.ts';

test('a password is sent when it is long enough and the same twice, and none only where none is needed', () => {
  const problem = (password: string, repeated: string, isRequired: boolean) =>
    passwordProblem({ password, repeated }, { isRequired, minCharacters: 4 });
  assert.equal(passwordProblem(NO_PASSWORD, { isRequired: false, minCharacters: 4 }), undefined);
  assert.equal(problem('', '', true), 'missing');
  assert.equal(problem('abc', 'abc', false), 'short');
  assert.equal(problem('', 'abcd', false), 'short', 'a second password alone is no choice against one');
  assert.equal(problem('abcd', 'abce', true), 'different');
  assert.equal(problem('abcd', 'abcd', true), undefined);
});
