import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packageVersion, readConfig, shortAddress } from './config.ts';

test('IPv6 addresses are written short, everything else as it is', () => {
  const cases = {
    '0:0:0:0:0:0:0:1': '::1',
    '2001:DB8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
    'fe80:0:0:0:0:0:0:1%eth0': 'fe80::1%eth0',
  };
  for (const [long, short] of Object.entries(cases)) assert.equal(shortAddress(long), short);
  for (const text of ['127.0.0.1', 'localhost', '::1', 'a:b']) assert.equal(shortAddress(text), text);
});

test('a staged package is named by its folder, which has the hash; a checkout by its version', () => {
  const staged = '/var/lib/bascule/software/site/0.1.0-0123456789ab';
  assert.equal(packageVersion(staged, '/var/lib/bascule/software/site', '0.1.0'), '0.1.0-0123456789ab');
  assert.equal(packageVersion('/home/me/bascule', '/var/lib/bascule/software/site', '0.1.0'), '0.1.0');
  const config = readConfig(['--home', '/nowhere', '--listen', '0:0:0:0:0:0:0:1', '--port', '8443', '--name', 'localhost']);
  assert.equal(config.listen, '::1');
  assert.deepEqual(config.packageVersions, { base: config.version, site: config.siteVersion });
});
