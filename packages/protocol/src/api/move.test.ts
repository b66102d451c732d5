import assert from 'node:assert/strict';
import { test } from 'node:test';
import { movedTo } from './move.ts';

test('a signpost leads to https and a plain host, and to nothing else', () => {
  const fits = (url: string): boolean =>
    movedTo.safeParse({ appliance: 'south', endpoint: { host: 'south.example', port: 443 }, url }).success;
  for (const url of [
    'https://site.example/login',
    'https://Site.Example:8443/login',
    'https://192.0.2.7/login',
    'https://[2001:db8::7]:8443/login',
  ])
    assert.ok(fits(url), url);
  for (const url of [
    'http://site.example/login',
    'javascript:alert(1)',
    'https://ada:word@site.example/login',
    'https://site.example@other.example/login',
    'https://site.example/login?to=other',
    'https://site.example/#other',
    'https://site.example\\@other.example/',
    'https://',
    'https://-/login',
    'https:// site.example/login',
    '//site.example/login',
    `https://${'a'.repeat(300)}.example/login`,
  ])
    assert.ok(!fits(url), url);
});
