/** The program of the installed site software that reads backups, as base starts and ends it: its own process, for what a hostile file does to it, it does to nobody else. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { fromRestoreProgram, type RestoreOrder } from '@bascule/protocol/restore-program.ts';
import type { SiteSoftware } from '../site-host/site-host.ts';

/** The heap of the program. It streams; scrypt of a password takes its memory beside the heap. */
export const PROGRAM_HEAP_MAX_MIB = 384;
/** It says how far it is all the time; one that is silent for so long hangs, and is killed. */
export const PROGRAM_SILENCE_LIMIT_MS = 5 * 60_000;
/** No order takes longer: terabytes of recordings are read within it. */
export const PROGRAM_LIMIT_MS = 48 * 60 * 60_000;

export interface ProgramRun<T> {
  software: SiteSoftware;
  order: RestoreOrder;
  result: z.ZodType<T>;
  signal: AbortSignal;
  onProgress?: (done: number, total: number | null) => void;
  log: Log;
  silenceLimitMs?: number;
}

/**
 * Gives `order` to a program of its own and waits for its answer. Throws what the program says went wrong (its code and message), `RESTORE_NO_SOFTWARE`,
 * `RESTORE_PROGRAM_FAILED`, and what `signal` was aborted with; the program is gone then.
 */
export async function runProgram<T>({
  software,
  order,
  result,
  signal,
  onProgress,
  log,
  silenceLimitMs = PROGRAM_SILENCE_LIMIT_MS,
}: ProgramRun<T>): Promise<T> {
  const program = join(dirname(software.programs.main), 'restore-main.ts');
  if (!existsSync(program) || !existsSync(software.node)) throw noSoftware(software.version);
  signal.throwIfAborted();
  const child = start(software, program, log);
  const gone = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<unknown>();
  answer.promise.catch(() => undefined);
  const fail = (error: unknown): void => {
    answer.reject(error);
    child.kill('SIGKILL');
  };
  const silence = setTimeout(
    () => fail(programFailed(`it said nothing for ${Math.round(silenceLimitMs / 1000)} s`)),
    silenceLimitMs,
  );
  const limit = setTimeout(() => fail(programFailed('it took too long')), PROGRAM_LIMIT_MS);
  const aborted = (): void => fail(signal.reason);
  signal.addEventListener('abort', aborted, { once: true });
  child.on('error', (error) => answer.reject(programFailed(error.message)));
  child.on('message', (raw) => {
    silence.refresh();
    const message = fromRestoreProgram.safeParse(raw);
    if (!message.success) return fail(programFailed('it said what nobody understands'));
    const { data } = message;
    if (data.kind === 'progress') onProgress?.(data.done, data.total);
    else if (data.kind === 'done') answer.resolve(data.result);
    else answer.reject(new AppError('invalid', data.code, data.message, { ...(data.params && { params: data.params }) }));
  });
  child.once('exit', (code, killedBy) => {
    answer.reject(programFailed(`it ended with ${killedBy ?? code}`));
    gone.resolve();
  });
  if (child.pid === undefined) gone.resolve();
  else if (child.connected) child.send(order, () => undefined);
  try {
    return result.parse(await answer.promise);
  } finally {
    clearTimeout(silence);
    clearTimeout(limit);
    signal.removeEventListener('abort', aborted);
    if (child.connected) child.disconnect();
    await endOf(child, gone.promise);
  }
}

/** How long it may take to end by itself once nobody listens. */
const END_LIMIT_MS = 3_000;

async function endOf(child: ChildProcess, gone: Promise<void>): Promise<void> {
  const killer = setTimeout(() => child.kill('SIGKILL'), END_LIMIT_MS);
  await gone;
  clearTimeout(killer);
}

function start(software: SiteSoftware, program: string, log: Log): ChildProcess {
  const { PATH, HOME, LANG, TZ, TMPDIR } = process.env;
  return spawn(software.node, [`--max-old-space-size=${PROGRAM_HEAP_MAX_MIB}`, program], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
    env: { ...present({ PATH, HOME, LANG, TZ, TMPDIR }), BASCULE_LOG_LEVEL: log.level },
  });
}

function present(environment: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function noSoftware(version: string): AppError {
  return new AppError(
    'conflict',
    'RESTORE_NO_SOFTWARE',
    `The installed site software${version === '' ? '' : ` (${version})`} cannot read backups: install a site package of this version or a newer one under Updates first.`,
    { params: { version } },
  );
}

function programFailed(why: string): AppError {
  return new AppError(
    'internal',
    'RESTORE_PROGRAM_FAILED',
    `The program that reads the backup failed: ${why}. Nothing was changed; try again.`,
    {
      params: { why },
    },
  );
}
