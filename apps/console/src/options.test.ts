import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConsoleError } from './exit-code.ts';
import { readOptions, readSite } from './options.ts';

const read = (...argv: string[]) => readOptions(argv, {});

test('an address may be typed as people do; what could not be one is refused', () => {
  for (const text of ['https://access.example.net', 'access.example.net', 'https://access.example.net/login/status?x=1'])
    assert.equal(readSite(text).href, 'https://access.example.net/', text);
  assert.equal(readSite('[::1]:8443').origin, 'https://[::1]:8443');
  for (const text of ['http://access.example.net', 'https://ann:secret@access.example.net', 'ssh://x', 'a b'])
    assert.throws(() => readSite(text), { exitCode: 64 }, text);
});

test('commands with their names and options', () => {
  assert.equal(read().command, 'help');
  assert.equal(read('jump', 'web 1', '--help').command, 'help');
  assert.deepEqual([read('jump', 'web 1').argument, read('jump', 'web 1').escape], ['web 1', true]);
  assert.equal(read('jump', 'web', '--no-escape', '--new').isNew, true);
  assert.equal(read('login', 'access.example.net').site?.origin, 'https://access.example.net');
  assert.equal(read('ls', 'access.example.net').site, undefined);
  assert.equal(readOptions(['ls'], { BASCULE_SITE: 'a.example' }).site?.origin, 'https://a.example');
  assert.equal(readOptions(['ls', '--site', 'b.example'], { BASCULE_SITE: 'a.example' }).site?.origin, 'https://b.example');
});

test('a wrong command line says what is wrong, with exit code 64', () => {
  const cases: [string[], RegExp][] = [
    [['fly'], /no command 'fly'/],
    [['jump'], /needs the name/],
    [['jump', 'web', '1'], /put names with spaces in quotes/],
    [['ls', '--frobnicate'], /frobnicate/],
    [['about', 'x'], /takes no name/],
  ];
  for (const [argv, message] of cases)
    assert.throws(
      () => read(...argv),
      (error: unknown) => error instanceof ConsoleError && error.exitCode === 64 && message.test(error.message),
      argv.join(' '),
    );
});
