/** `npm run demo -- upgrade`: shows an upgrade with sessions running (tools/demo/upgrade.ts). */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { checkout, runtime } from './checkout.mjs';
import { ensureInstalled } from './install.mjs';
import { runMain } from './say.mjs';

await runMain(async () => {
  await ensureInstalled({ web: true });
  const child = spawn(runtime, [join(checkout, 'tools', 'demo', 'upgrade.ts'), ...process.argv.slice(2)], {
    cwd: checkout,
    stdio: 'inherit',
  });
  return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
});
