import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browserName } from './browser-name.ts';
import { passwordRules } from './password-rules.ts';

test('password rules are those that the page shows', () => {
  assert.deepEqual(passwordRules('', ''), { longEnough: false, same: false });
  assert.deepEqual(passwordRules('elevenchars', 'elevenchars'), { longEnough: false, same: true });
  assert.deepEqual(passwordRules('twelve chars', 'twelve char'), { longEnough: true, same: false });
  assert.deepEqual(passwordRules('twelve chars', 'twelve chars'), { longEnough: true, same: true });
});

test('browsers are named in short, unknown programs as they are', () => {
  const chrome = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';
  assert.equal(browserName(chrome), 'Chrome 140, Linux');
  assert.equal(browserName(`${chrome} Edg/140.0.0.0`), 'Edge 140, Linux');
  assert.equal(
    browserName('Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0'),
    'Firefox 140, Windows',
  );
  assert.equal(
    browserName(
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 (KHTML, like Gecko) Version/18.0 Mobile Safari/604',
    ),
    'Safari 18, iOS',
  );
  assert.equal(browserName('curl/8'), 'curl/8');
  assert.equal(browserName('x'.repeat(500)).length, 60);
});
