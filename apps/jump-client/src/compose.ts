import type { Log } from '@bascule/log/log.ts';
import { ClientHome } from '@bascule/client/client-home.ts';
import { JumpClient } from './jump-client.ts';
import { readOptions } from './options.ts';

/** Builds the program from command line and environment. Throws UsageError. */
export async function compose(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  log: Log,
): Promise<{ run(): Promise<void>; stop(): Promise<void>; close(): void }> {
  const options = readOptions(argv, env);
  // Not for the eyes of the shells that are started.
  delete env['BASCULE_TOKEN'];
  const home = await ClientHome.open(options.home);
  const client = new JumpClient(options, home, log);
  return { run: () => client.run(), stop: () => client.stop(), close: () => home.close() };
}
