import assert from 'node:assert/strict';
import { test } from 'node:test';
import { programEnvironment } from './program-environment.ts';

test("the service user gets nothing of the starter's environment but what its programs need", () => {
  const kept = programEnvironment({
    PATH: '/bin',
    LC_ALL: 'C.UTF-8',
    BASCULE_LOG_LEVEL: 'debug',
    BASCULE_TOKEN: 'secret',
    NPM_TOKEN: 'secret',
    AWS_SECRET_ACCESS_KEY: 'secret',
    SSH_AUTH_SOCK: '/tmp/agent',
    npm_config_registry: 'x',
    LISTEN_FDS: '1',
    HTTPS_PROXY: 'http://user:password@proxy',
  });
  assert.deepEqual(kept, { PATH: '/bin', LC_ALL: 'C.UTF-8', BASCULE_LOG_LEVEL: 'debug' });
});
