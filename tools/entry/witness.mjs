/** `npm run witness -- COMMAND`: the witness of failover pairs and its commands (docs/operator/witness.md). */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { checkout, runtime } from './checkout.mjs';
import { ensureInstalled } from './install.mjs';
import { runMain } from './say.mjs';

await runMain(async () => {
  await ensureInstalled();
  // Folders and files are meant from where the command was typed, not from the checkout into which npm has gone.
  const cwd = process.env['INIT_CWD'] ?? process.cwd();
  const child = spawn(runtime, [join(checkout, 'apps', 'witness', 'src', 'main.ts'), ...process.argv.slice(2)], {
    cwd,
    stdio: 'inherit',
  });
  // Ctrl-C reaches the child by itself; a signal to us alone is passed on.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
});
