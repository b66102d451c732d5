import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { readConfig, siteUrl } from './config.ts';

const start = {
  siteDir: '/home/site',
  generation: 3,
  applianceName: 'alpha',
  publicHost: 'alpha.example',
  publicPort: 8443,
  hosts: ['alpha'],
  version: '0.1.0',
  softwareDir: '/software',
  runtimeDir: '/runtime',
  webKeyPin: 'secret-looking',
};

test('the configuration comes from base, with the paths that follow from it', () => {
  const config = readConfig({ BASCULE_SITE: JSON.stringify(start) });
  assert.equal(config.paths.database, '/home/site/site.db');
  assert.equal(config.keyFile, '/home/site/keys/site.key');
  assert.equal(siteUrl(config), 'https://alpha.example:8443');
  assert.equal(siteUrl({ publicHost: '::1', publicPort: 443 }), 'https://[::1]');
});

test('a wrong value is refused by the name of its field, without showing it', () => {
  const refusal = (value: string | undefined) => {
    try {
      readConfig({ BASCULE_SITE: value });
    } catch (error) {
      assert.ok(error instanceof AppError);
      return error.message;
    }
    return assert.fail('was taken');
  };
  assert.match(refusal(JSON.stringify({ ...start, publicPort: 'x-value' })), /^BASCULE_SITE\.publicPort: (?!.*x-value)/);
  assert.match(refusal('{'), /is not JSON/);
  assert.match(refusal(undefined), /is missing/);
});
