/** `npm run check`: types, lint, format, layers, unit tests. Under a minute. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { checkout, runtime } from './checkout.mjs';
import { ensureInstalled } from './install.mjs';
import { runMain, say } from './say.mjs';

const bin = (/** @type {string} */ name) => join(checkout, 'node_modules', '.bin', name);
const STEPS = [
  { name: 'types', command: runtime, args: [bin('tsc'), '-p', '.'] },
  { name: 'types of the web interface', command: runtime, args: [bin('tsc'), '-p', 'apps/web'] },
  { name: 'lint', command: runtime, args: [bin('oxlint'), '--type-aware', '--deny-warnings'] },
  { name: 'layers', command: runtime, args: ['tools/layers.ts'] },
  { name: 'format', command: runtime, args: [bin('prettier'), '--check', '--log-level=warn', '.'] },
  { name: 'unit tests', command: runtime, args: ['tools/run-tests.ts', '--unit'] },
];

await runMain(async () => {
  await ensureInstalled();
  let failed = 0;
  for (const { name, command, args } of STEPS) {
    const startedAt = Date.now();
    const run = spawnSync(command, args, { cwd: checkout, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
    say(`${run.status === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
    if (run.status === 0) continue;
    failed++;
    say(`${run.stdout}${run.stderr}`.trim());
  }
  return failed > 0 ? 1 : 0;
});
