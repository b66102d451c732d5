import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browserName } from './browser-name.ts';
import { passwordRules } from './password-rules.ts';

test('password rules are those that the page shows', () => {
  const kept = (next: string, repeated: string, name = 'brigitte') => {
    const rules = passwordRules(name, next, repeated);
    return [rules.longEnough, rules.withoutName, rules.same];
  };
  assert.deepEqual(kept('', ''), [false, false, false]);
  assert.deepEqual(kept('elevenchars', 'elevenchars'), [false, true, true]);
  assert.deepEqual(kept('twelve chars', 'twelve char'), [true, true, false]);
  assert.deepEqual(kept('twelve chars', 'twelve chars'), [true, true, true]);
  assert.deepEqual(kept('my BRIGITTE word', 'my BRIGITTE word'), [true, false, true]);
  assert.deepEqual(kept('a word with al', 'a word with al', 'al'), [true, true, true]);
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
