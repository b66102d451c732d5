import { createLog } from '@bascule/log/log.ts';
import { compose } from './compose.ts';
import { UsageError } from '@bascule/client/usage-error.ts';
import { plainLog } from '@bascule/client/plain-log.ts';

/** Exit code when a person has to mend something first. */
const EXIT_USAGE = 2;

const log = createLog('jump-client', undefined, process.stdout.isTTY ? plainLog(process.stdout) : undefined);
try {
  const client = await compose(process.argv.slice(2), process.env, log);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void client.stop());
  await client.run();
  client.close();
  process.exit(0);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(EXIT_USAGE);
}
