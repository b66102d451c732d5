import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { readConfig } from './config/config.ts';
import { warmUpBase } from './warm-up.ts';

test('warming up works, and leaves nothing in the home nor beside it', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-warm-up-'));
  const home = join(directory, 'home');
  const scratch = join(directory, 'scratch');
  for (const folder of [home, scratch]) mkdirSync(folder);
  const before = process.env['TMPDIR'];
  const log = createLog('test', 'silent');
  const said = t.mock.method(log, 'info');
  try {
    process.env['TMPDIR'] = scratch;
    await warmUpBase(readConfig(['--home', home, '--listen', '127.0.0.1', '--port', '8443', '--name', 'localhost']), log);
    assert.equal(said.mock.callCount(), 0);
    assert.deepEqual([readdirSync(home), readdirSync(scratch)], [[], []]);
    // Where nothing can be written it is left out.
    process.env['TMPDIR'] = join(directory, 'nowhere');
    await warmUpBase(readConfig(['--home', home, '--listen', '127.0.0.1', '--port', '8443', '--name', 'localhost']), log);
    assert.equal(said.mock.calls[0]?.arguments[1], 'base.not-warmed-up');
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    rmSync(directory, { recursive: true });
  }
});
