/** `npm run bench -- NAME [--json]`: runs bench/NAME.ts; the last line printed is one JSON object with the figures. */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { checkout, runtime } from './checkout.mjs';
import { ensureInstalled } from './install.mjs';
import { Stop, runMain } from './say.mjs';
import { ensureTestPackages } from './test.mjs';

await runMain(async () => {
  const name = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
  const names = readdirSync(join(checkout, 'bench'))
    .filter((file) => file.endsWith('.bench.ts'))
    .map((file) => file.slice(0, -'.bench.ts'.length));
  if (!name || !names.includes(name))
    throw new Stop(`npm run bench -- NAME [--json], where NAME is one of: ${names.join(', ')}`, 64);
  await ensureInstalled({ web: true });
  ensureTestPackages();
  const child = spawn(runtime, [join(checkout, 'bench', 'run.ts'), name], { cwd: checkout, stdio: 'inherit' });
  return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
});
