import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCookie } from './login-cookie.ts';
import { RateLimit } from './rate-limit.ts';
import { pagePolicy } from './security-headers.ts';
import { isOwnOrigin, siteOfHost } from './host-check.ts';

test('a rate limit refills with time and remembers a bounded number of keys', () => {
  let nowMs = 0;
  const limit = new RateLimit({ burst: 2, perSecond: 0.5, keysLimit: 2, now: () => nowMs });
  assert.deepEqual([limit.take('a'), limit.take('a'), limit.take('a')], [0, 0, 2]);
  nowMs += 2000;
  assert.deepEqual([limit.take('a'), limit.take('a')], [0, 2]);
  limit.take('b');
  limit.take('c');
  assert.equal(limit.take('a'), 0, 'forgotten: used longest ago');
});

test('a cookie that is there twice is none', () => {
  assert.equal(readCookie('a=1; __Host-x=2; b=3', '__Host-x'), '2');
  assert.equal(readCookie('__Host-x=2; __Host-x=3', '__Host-x'), undefined);
  assert.equal(readCookie('other__Host-x=2', '__Host-x'), undefined);
  assert.equal(readCookie(`__Host-x=${'2'.repeat(9000)}`, '__Host-x'), undefined);
});

test('a page may change single directives of its policy', () => {
  const policy = pagePolicy('abc', { 'img-src': "'self' blob:", 'manifest-src': '' });
  assert.match(policy, /style-src 'self' 'nonce-abc'; img-src 'self' blob:;/);
  assert.ok(!policy.includes('manifest-src'));
});

test('hosts are compared whole', () => {
  assert.deepEqual(siteOfHost('Alpha.example:443', ['alpha.example']), {
    origin: 'https://alpha.example',
    hostName: 'alpha.example',
  });
  assert.equal(siteOfHost('alpha.example.evil.example', ['alpha.example']), undefined);
  assert.equal(siteOfHost('alpha.example, evil.example', ['alpha.example']), undefined);
  const site = siteOfHost('[::1]:8443', [])!;
  assert.equal(site.hostName, '::1');
  assert.equal(isOwnOrigin({ origin: 'https://[::1]:8443' }, site), true);
  assert.equal(isOwnOrigin({ origin: 'https://[::1]' }, site), false);
});
