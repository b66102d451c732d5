// The program of a seed for tests of boot: makes one version of base out of the fixture beside it, or does what BASCULE_FIXTURE says.
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const text = { type: 'string' };
const { home, seed } = parseArgs({ options: { home: text, seed: text } }).values;
if (process.env.BASCULE_FIXTURE === 'seed-fails') {
  await new Promise((done) => process.send({ kind: 'failed', message: 'The packages are not signed.' }, done));
  process.exit(4);
}
if (process.env.BASCULE_FIXTURE === 'seed-dies') process.kill(process.pid, 'SIGKILL');
const version = join(home, 'software', 'base', '1.0.0-seeded');
mkdirSync(join(version, 'apps', 'base', 'src'), { recursive: true });
writeFileSync(join(version, 'package.json'), '{"type":"module"}');
copyFileSync(join(seed, 'fixture-base.mjs'), join(version, 'apps', 'base', 'src', 'main.ts'));
writeFileSync(join(version, 'uid'), String(process.getuid()));
symlinkSync('1.0.0-seeded', join(home, 'software', 'base', 'current'));
process.exit(0);
