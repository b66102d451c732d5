import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainNpm } from './install.mjs';

const CASES: [string, string, RegExp][] = [
  ['offline', 'npm error code ENOTCACHED', /offline.*cache/],
  ['no network', 'npm error code EAI_AGAIN', /cannot reach its registry/],
  ['proxy login', 'npm error 407 Proxy Authentication Required', /proxy wants a login/],
  ['a proxy that opens TLS', 'npm error code SELF_SIGNED_CERT_IN_CHAIN', /cafile/],
  ['full disk', 'npm error code ENOSPC', /disk is full/],
  ['read-only folder', 'npm error code EROFS', /cannot write/],
  ['lock file', 'npm error code EUSAGE', /do not fit each other/],
  ['anything else', 'npm error code EXYZ\nnpm error strange', /npm ci failed: .*strange/],
];
for (const [name, output, sentence] of CASES) {
  test(`npm's failure is told in one sentence: ${name}`, () => {
    const text = explainNpm(output);
    assert.match(text, sentence);
    assert.equal(text.split('\n').length, 1);
  });
}
