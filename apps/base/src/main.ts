import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createLog } from '@bascule/log/log.ts';
import { BootLink } from './boot-link.ts';
import { Base, startFailure } from './compose.ts';
import { readConfig } from './config/config.ts';
import { finishErasure, isErasing } from './reset/reset.ts';
import { endLeftovers } from './site-host/site-host.ts';

/** base: started by boot with the listening socket as descriptor 3 (docs/spec/boot.md, 2). */
const EXIT_CANNOT_WORK = 4;
/** Load and check everything, write and listen to nothing, until boot says `activate` (docs/spec/boot.md, 6.3). */
const PREPARE_OPTION = '--prepare';
// What base and the site's programs make is theirs alone.
process.umask(0o077);
const log = createLog('base');
const boot = new BootLink();

// Without boot nobody would restart or stop base, and the port must be free for the next boot: at once, state is safe at any instant.
boot.on('gone', () => process.exit(1));
// A stop is boot's to order; base ends its children in order then.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

let base: Base | undefined;
let stopping = false;
let isReplaced = false;
boot.on('candidate', (failure) => (isReplaced = failure === undefined));
boot.on('stop', () => {
  if (stopping) return;
  stopping = true;
  if (base === undefined) process.exit(0);
  void base.stop({ comeBackAtOnce: isReplaced }).finally(() => process.exit(0));
});

try {
  const args = process.argv.slice(2);
  const config = readConfig(args.filter((argument) => argument !== PREPARE_OPTION));
  if (!args.includes(PREPARE_OPTION)) {
    if (isErasing(config.paths)) {
      await endLeftovers(join(dirname(config.paths.controlSocket), 'site-programs.json'));
      await finishErasure(config.paths, log);
    }
    base = await Base.start(config, boot, log);
  } else {
    const activated = once(boot, 'activate');
    const prepared = await Base.prepare(config, log);
    await boot.send({ kind: 'prepared' });
    await activated;
    base = await Base.start(config, boot, log, prepared);
  }
} catch (error) {
  log.fatal({ err: error }, 'base.cannot-start');
  await boot.send({ kind: 'failed', message: startFailure(error) });
  process.exit(EXIT_CANNOT_WORK);
}
