import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, lstatSync, mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { programEnvironment } from '@bascule/core/program-environment.ts';
import type { ApplianceLog } from './appliance-log.ts';
import { sentenceOf } from './base-candidate.ts';
import type { Options } from './options.ts';
import { Refusal } from './refusal.ts';

/** Making the software takes seconds; beyond this the disk is broken. */
export const SEED_WAIT_MS = 10 * 60_000;
/** Archives and what they hold once unpacked, databases and first recordings. */
export const SEED_FREE_BYTES = 768 * 1024 * 1024;

/**
 * Makes base and site of the seed, when there is a seed and no base (docs/spec/boot.md, 7): in a process of base's user, since what it unpacks came over a
 * network once. Throws `Refusal`.
 */
export async function sowSeed(options: Options, log: ApplianceLog): Promise<void> {
  const { seed, source, account, home } = options;
  if (seed === undefined || !('software' in source)) return;
  const { software } = source;
  if (lstatSync(join(software, 'base', 'current'), { throwIfNoEntry: false }) !== undefined) return;
  const program = join(seed, 'program', 'apps', 'base', 'src', 'seed-main.ts');
  if (!existsSync(program)) throw new Refusal(`${seed} holds no software: install the package bascule-appliance again.`);
  checkSpace(home);
  mkdirSync(software, { recursive: true, mode: 0o755 });
  for (const name of ['base', 'site', 'runtimes']) {
    const folder = join(software, name);
    if (existsSync(folder)) continue;
    mkdirSync(folder, { mode: 0o755 });
    if (account !== undefined) chownSync(folder, account.uid, account.gid);
  }
  log.write('seed.started', { seed });
  const child = spawn(process.execPath, [program, '--home', home, '--seed', seed], {
    stdio: ['ignore', log.descriptor, log.descriptor, 'ipc'],
    env: { ...programEnvironment(process.env), HOME: home },
    cwd: '/',
    detached: true,
    ...(account && { uid: account.uid, gid: account.gid }),
  });
  const failure = await failureOf(child);
  if (failure !== undefined) throw new Refusal(failure);
  log.write('seed.done');
}

async function failureOf(child: ChildProcess): Promise<string | undefined> {
  let sentence = 'The software could not be made of the package; the log of the appliance says why.';
  child.on('message', (message) => {
    const { kind, message: text } = message as { kind?: unknown; message?: unknown };
    if (kind === 'failed') sentence = sentenceOf(text);
  });
  const killer = setTimeout(() => child.kill('SIGKILL'), SEED_WAIT_MS);
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code === 0 ? undefined : sentence;
  } catch (error) {
    return `The software cannot be made of the package: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    clearTimeout(killer);
  }
}

function checkSpace(home: string): void {
  const { bavail, bsize } = statfsSync(home);
  if (bavail * bsize >= SEED_FREE_BYTES) return;
  throw new Refusal(
    `Only ${Math.floor((bavail * bsize) / 2 ** 20)} MiB are free on the disk of ${home}; the first start needs ${SEED_FREE_BYTES / 2 ** 20} MiB.`,
  );
}
