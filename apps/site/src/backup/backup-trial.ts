/** Starts the site's own program in the mode `trial` on what a backup held, as an update tries its new version: migrates, opens every domain, listens to nobody and sends nothing. */
import { fork } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { programEnvironment } from '@bascule/core/program-environment.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { fromSite, type SiteStart, type ToSite } from '@bascule/protocol/base-site.ts';

const PROGRAM = join(import.meta.dirname, '..', 'main.ts');
/** As long as the trial of an update may take. */
const TRIAL_LIMIT_MS = 30 * 60_000;
/** A trial that works ends within this. */
const END_LIMIT_MS = 10_000;

/** Resolves when the site in `siteDir` worked and has ended again. Throws `BACKUP_NOT_RESTORABLE` with what it said. */
export async function trySite(start: SiteStart, siteDir: string, signal: AbortSignal): Promise<void> {
  const runDir = join(siteDir, 'run');
  await mkdir(runDir, { recursive: true, mode: 0o700 });
  const trial: SiteStart = { ...start, siteDir, runDir, mode: 'trial' };
  const child = fork(PROGRAM, {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [],
    env: { ...programEnvironment(process.env), BASCULE_SITE: JSON.stringify(trial) },
  });
  const exited = Promise.withResolvers<string>();
  child.once('exit', (code, killedBy) => exited.resolve(`it ended by itself (${killedBy ?? `code ${code}`})`));
  child.once('error', (error) => exited.resolve(`it could not be started (${error.message})`));
  const outcome = Promise.withResolvers<string | undefined>();
  child.on('message', (value) => {
    const message = fromSite.safeParse(value);
    if (message.data?.kind === 'ready') outcome.resolve(undefined);
    if (message.data?.kind === 'failed') outcome.resolve(message.data.message);
  });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TRIAL_LIMIT_MS)]);
  limit.addEventListener('abort', () => outcome.resolve('it did not work in time'), { once: true });
  try {
    const why = await Promise.race([outcome.promise, exited.promise]);
    signal.throwIfAborted();
    if (why !== undefined) throw notRestorable(`a site does not start on what it holds: ${why}`);
    if (child.connected) child.send({ kind: 'stop' } satisfies ToSite, () => undefined);
    await Promise.race([exited.promise, new Promise((resolve) => setTimeout(resolve, END_LIMIT_MS).unref())]);
  } finally {
    child.kill('SIGKILL');
    await exited.promise;
  }
}

export function notRestorable(why: string, cause?: unknown): AppError {
  return new AppError('conflict', 'BACKUP_NOT_RESTORABLE', `The backup cannot be restored: ${why}.`.replace(/\.\.$/, '.'), {
    params: { why },
    cause,
  });
}
