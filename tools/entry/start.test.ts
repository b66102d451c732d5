import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startTicksOf } from './control.mjs';

test('a start where one runs already names the command that stops that one', () => {
  const home = mkdtempSync(join(tmpdir(), 'bascule-start-'));
  try {
    // Root may not start in a folder that the service user cannot enter.
    chmodSync(home, 0o755);
    mkdirSync(join(home, 'run'));
    const boot = { pid: process.pid, startTicks: startTicksOf(process.pid), name: 'localhost', port: 8443 };
    writeFileSync(join(home, 'run', 'boot.json'), JSON.stringify(boot));
    const start = spawnSync(process.execPath, [join(import.meta.dirname, 'start.mjs'), '--home', home], { encoding: 'utf8' });
    assert.equal(start.status, 3);
    assert.match(start.stderr, new RegExp(`already running, PID ${process.pid}, .*npm run appliance -- stop --home ${home}\n$`));
  } finally {
    rmSync(home, { recursive: true });
  }
});
