/** A rotation is killed where it matters, and the next start finishes it (SIGKILL: nothing is tidied up). */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { ADA, TestVault } from './testing.ts';
import type { RotationStep } from './vault-rotation.ts';

const ACCOUNTS = 30;
/** Between two things that are on disk; vault-rotation.test.ts cuts at every step, without a process. */
const KILLED_AT: RotationStep[] = ['next-written', 'current-written', 'in-use', 'moved', 'former-dropped'];
const KILL_AT = 'VAULT_TEST_KILL_AT';
const DIRECTORY = 'VAULT_TEST_DIRECTORY';
/** Programs that run at the same time. */
const AT_ONCE = 2;

const directory = process.env[DIRECTORY];
if (directory !== undefined) await rotateAndDie(directory, process.env[KILL_AT]!);
else
  test('killed between two writes, a rotation is finished by the next start', async () => {
    const left: string[] = [...KILLED_AT];
    const work = async () => {
      for (let step = left.pop(); step !== undefined; step = left.pop()) await killAt(step);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  });

async function rotateAndDie(where: string, killAt: string): Promise<void> {
  const site = new TestVault({ step: (step) => step === killAt && process.kill(process.pid, 'SIGKILL') }, where);
  site.vault.start();
  await site.vault.rotate(ADA);
  await waitUntil('it is killed', () => false);
}

async function killAt(step: string): Promise<void> {
  const first = new TestVault();
  first.addSecrets(ACCOUNTS);
  const before = first.secrets();
  await first.stop();
  const child = spawn(process.execPath, [import.meta.filename], {
    env: { ...process.env, [DIRECTORY]: first.directory, [KILL_AT]: step },
    stdio: 'ignore',
  });
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  assert.equal(signal, 'SIGKILL', step);
  await using site = new TestVault({}, first.directory);
  assert.deepEqual(site.secrets(), before, step);
  site.vault.start();
  await waitUntil('the rotation is done', () => site.vault.rotation.state() === null);
  assert.deepEqual(site.secrets(), before, step);
  assert.deepEqual(site.vault.ring.formerIds(), [], step);
  assert.equal(site.auditCodes().filter((code) => code === 'VAULT_ROTATED').length, 1, step);
}
