/** `npm run jump-client -- --site URL --token T`: a Jump Client from this checkout, in the foreground. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { checkout, runtime } from './checkout.mjs';
import { ensureInstalled } from './install.mjs';
import { runMain } from './say.mjs';

await runMain(async () => {
  await ensureInstalled();
  const child = spawn(runtime, [join(checkout, 'apps', 'jump-client', 'src', 'main.ts'), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, BASCULE_COMMAND: 'npm run jump-client --' },
  });
  // Ctrl-C reaches the client by itself (one process group); this script only waits for it.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
});
