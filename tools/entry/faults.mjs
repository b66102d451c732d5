/** `npm run faults`: every fault at every step of every operation, and 200 random moments, where `npm test` runs a sample. Takes long; ends with a summary. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { checkout, runtime } from './checkout.mjs';
import { ensureInstalled } from './install.mjs';
import { runMain } from './say.mjs';
import { ensureTestPackages } from './test.mjs';

await runMain(async () => {
  await ensureInstalled({ web: true });
  ensureTestPackages();
  const child = spawn(
    runtime,
    [
      join(checkout, 'tools', 'run-tests.ts'),
      'test/faults/',
      'test/update/',
      'test/fleet/',
      'test/failover/',
      'test/restore/',
      'test/security/',
      'apps/site/src/failover/establish-cuts',
      'test/e2e/failover',
      'test/e2e/rehearsal',
    ],
    {
      cwd: checkout,
      stdio: 'inherit',
      env: { ...process.env, BASCULE_FAULTS: 'all' },
    },
  );
  return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
});
