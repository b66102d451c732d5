import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOptions } from './options.ts';
import { UsageError } from './usage-error.ts';

const PROGRAM = { program: 'jump-client', command: 'bascule-client' };
const SITE = ['--site', 'https://bascule.example'];

test('a password of a proxy that cannot be read is said with the option and without the password', () => {
  const isSaid = (option: string) => (error: unknown) =>
    error instanceof UsageError && error.message.includes(option) && !error.message.includes('s3cret');
  const proxy = 'http://ada:s3cret%@proxy.example:3128';
  assert.throws(() => readOptions([...SITE, '--proxy', proxy], {}, PROGRAM), isSaid('--proxy'));
  assert.throws(() => readOptions(SITE, { HTTPS_PROXY: 'http://ada:s3cret%ff@proxy.example' }, PROGRAM), isSaid('HTTPS_PROXY'));
  const read = readOptions([...SITE, '--proxy', 'http://ada:s3cret%25@proxy.example:3128'], {}, PROGRAM);
  assert.equal(read.proxy?.authorization, `Basic ${Buffer.from('ada:s3cret%').toString('base64')}`);
});
