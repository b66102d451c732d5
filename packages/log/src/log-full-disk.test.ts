import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { it } from 'node:test';

const PROGRAM = `
const { createLog } = await import(${JSON.stringify(new URL('./log.ts', import.meta.url).href)});
const log = createLog('test');
for (let line = 0; line < 5000; line++) log.info({ line, text: 'x'.repeat(1000) }, 'written');
setTimeout(() => process.exit(7), 200);
`;

it('a full disk does not end a program that logs', () => {
  const full = openSync('/dev/full', 'w');
  try {
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', PROGRAM], {
      stdio: ['ignore', full, 'pipe'],
      timeout: 20_000,
      encoding: 'utf8',
    });
    assert.deepEqual({ status: run.status, stderr: run.stderr }, { status: 7, stderr: '' });
  } finally {
    closeSync(full);
  }
});
