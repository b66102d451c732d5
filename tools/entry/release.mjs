/** `npm run release -- ...`: builds packages, keeps a repository of them and its keys (tools/release/release.ts; docs/how-to/release.md). */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { checkout, runtime } from './checkout.mjs';
import { ensureInstalled } from './install.mjs';
import { runMain } from './say.mjs';

await runMain(async () => {
  await ensureInstalled();
  // npm runs scripts in the checkout; paths in the arguments are meant from where the person stands.
  const cwd = process.env['INIT_CWD'] ?? process.cwd();
  const child = spawn(runtime, [join(checkout, 'tools', 'release', 'release.ts'), ...process.argv.slice(2)], {
    cwd,
    stdio: 'inherit',
  });
  return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
});
