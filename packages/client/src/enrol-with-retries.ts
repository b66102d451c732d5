import type { Log } from '@bascule/log/log.ts';
import type { ClientHome, StoredIdentity } from './client-home.ts';
import { RefusedError, WrongIdentityError, enrol } from './enrol.ts';
import { readFacts } from './facts.ts';
import type { ClientOptions } from './options.ts';
import { UsageError } from './usage-error.ts';

/** Enrols, again and again while the appliance cannot be reached; undefined when `signal` ended it. Throws UsageError when only a person can help. */
export async function enrolWithRetries(context: {
  options: ClientOptions;
  home: ClientHome;
  version: string;
  log: Log;
  signal: AbortSignal;
  pause(): Promise<void>;
}): Promise<StoredIdentity | undefined> {
  const { options, home, version, log, signal } = context;
  const { token, name } = options;
  if (token === undefined)
    throw new UsageError('This client is not enrolled yet: give an installer token with --token (an administrator makes one).');
  while (!signal.aborted) {
    try {
      return await enrol({ target: options, token, home, name, facts: readFacts(version), log, signal });
    } catch (error) {
      if (error instanceof WrongIdentityError) throw new UsageError(error.message);
      if (error instanceof RefusedError && error.code !== 'busy')
        throw new UsageError(`The appliance refused to enrol this client: ${error.message}`);
      if (options.once) throw new UsageError(`The appliance cannot be reached: ${(error as Error).message}`);
      log.warn({ reason: (error as Error).message }, 'enrolment-failed');
      await context.pause();
    }
  }
  return undefined;
}
