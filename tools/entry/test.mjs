/** `npm test`: installs what the tests need, then runs everything. `npm test -- PATH ...` runs only test files below those paths. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkout, isRoot, runtime } from './checkout.mjs';
import { aptInstall, ensureInstalled } from './install.mjs';
import { TEST_PACKAGES } from './packages.mjs';
import { Stop, runMain, say } from './say.mjs';

/** Installs missing Debian packages as root; otherwise names them and ends. */
export function ensureTestPackages() {
  const missing = Object.entries(TEST_PACKAGES)
    .filter(([, file]) => !existsSync(file))
    .map(([name]) => name);
  if (missing.length === 0) return;
  if (!isRoot)
    throw new Stop(
      `The tests need Debian packages that are missing. Run this, then the command again:  sudo apt-get install -y --no-install-recommends ${missing.join(' ')}`,
      69,
    );
  say(`Installing Debian packages for the tests: ${missing.join(' ')} ...`);
  aptInstall(missing);
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  await runMain(async () => {
    await ensureInstalled({ web: true });
    ensureTestPackages();
    const child = spawn(runtime, [join(checkout, 'tools', 'run-tests.ts'), ...process.argv.slice(2)], {
      cwd: checkout,
      stdio: 'inherit',
    });
    return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  });
}
