/** Builds both outputs of the web interface: `dist/appliance` and `dist/site`. Run by Node 26 (`npm run build -w apps/web`). */
import { build } from 'vite';
import { buildConfig, outputFolder, type Output } from './build-config.ts';
import { precompress } from './precompress.ts';

const outputs: Output[] = ['appliance', 'site'];
for (const output of outputs) {
  await build({ ...buildConfig(output), logLevel: 'warn' });
  precompress(outputFolder(output));
}
