import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { createLog } from '@bascule/log/log.ts';
import { runProgram } from './restore-program.ts';

const directory = join(import.meta.dirname, '..', '..', 'test', 'restore-program');
const software = (folder = directory) => ({
  folder: '',
  version: '1',
  directory: folder,
  node: process.execPath,
  runtimeDir: '/',
  programs: { main: join(folder, 'main.ts'), relay: join(folder, 'relay-main.ts') },
});
const echoed = z.object({
  arguments: z.array(z.string()),
  environment: z.record(z.string(), z.string()),
  hasPassword: z.boolean(),
});

function ask(file: string, more: { signal?: AbortSignal; silenceLimitMs?: number; onProgress?: (done: number) => void } = {}) {
  return runProgram({
    software: software(),
    order: { kind: 'unpack', file, password: 'the password', siteDir: '/nowhere', target: '/nowhere' },
    result: echoed,
    signal: new AbortController().signal,
    log: createLog('test', 'silent'),
    ...more,
  });
}

/** Programs of ours that still run. */
function left(): string[] {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'latin1').trim().split(' ');
  return children.filter((pid) => pid !== '' && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('restore-main'));
}

describe('the program that reads backups', () => {
  it('is told the password by the channel alone, and has an environment that says nothing', async () => {
    process.env['BASCULE_SECRET_OF_TEST'] = 'secret';
    const told: number[] = [];
    const found = await ask('/answers', { onProgress: (done) => told.push(done) });
    assert.deepEqual([found.arguments, found.hasPassword, told], [[], true, [1]]);
    const names = Object.keys(found.environment).filter((name) => !['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'].includes(name));
    assert.deepEqual(
      names.filter((name) => !name.startsWith('NODE_CHANNEL')),
      ['BASCULE_LOG_LEVEL'],
    );
    assert.deepEqual(left(), []);
  });

  it('is believed in what it refuses, and in nothing else', async () => {
    await assert.rejects(ask('/refuses'), { code: 'BACKUP_DAMAGED', message: 'The backup is damaged.' });
    await assert.rejects(ask('/babbles'), { code: 'RESTORE_PROGRAM_FAILED' });
    await assert.rejects(ask('/dies'), { code: 'RESTORE_PROGRAM_FAILED', message: /SIGKILL/ });
    assert.deepEqual(left(), []);
  });

  it('is killed when it is silent, and when it is not wanted any more', async () => {
    await assert.rejects(ask('/silent', { silenceLimitMs: 300 }), { code: 'RESTORE_PROGRAM_FAILED', message: /said nothing/ });
    const abort = new AbortController();
    const asked = ask('/silent', { signal: abort.signal });
    abort.abort(new Error('cancelled'));
    await assert.rejects(asked, /cancelled/);
    assert.deepEqual(left(), []);
  });

  it('says which software lacks it', async () => {
    const run = { order: { kind: 'check', folder: '/x' } as const, result: echoed, signal: new AbortController().signal };
    await assert.rejects(runProgram({ ...run, software: software('/nowhere'), log: createLog('test', 'silent') }), {
      code: 'RESTORE_NO_SOFTWARE',
    });
  });
});
