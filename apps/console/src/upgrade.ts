/** A console upgrades itself at its next start (B90-B92): asks the site, verifies, tries, and only then goes on as the new version. */
import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { newId } from '@bascule/core/ids.ts';
import { prepareCandidate } from '@bascule/client/candidate.ts';
import type { ProgramFolder } from '@bascule/client/program-folder.ts';
import { readBundleAbout } from '@bascule/client/program-folder.ts';
import { UpgradeError } from '@bascule/client/upgrade-error.ts';
import { createLog } from '@bascule/log/log.ts';
import type { consoleAbout } from '@bascule/protocol/api/console.ts';
import type { ClientBundleAbout, Parcel, UpgradeOrder } from '@bascule/protocol/client-program.ts';
import { ConsoleError, ExitCode } from './exit-code.ts';
import { countTrialStart, failedVersion, hasFailed, installedPlace, noteFailed, switchTo, upgradablePlace } from './place.ts';
import { SiteRefusal, type SiteConnection } from './site-connection.ts';

/** Nobody waits longer for a download before a command; the next start begins anew. */
const DOWNLOAD_LIMIT_MS = 5 * 60_000;
/** No parcel of ours comes near: a runtime has some 40 MB. */
const PARCEL_LIMIT_BYTES = 512 * 1024 * 1024;
/** Versions that one start goes through, for a console that was away for long. */
const STEPS_LIMIT = 10;
const STEPS_VARIABLE = 'BASCULE_CONSOLE_STEPS';
/** Of an order that nobody counts: the console has no supervisor. */
const HEALTH_SECONDS = 60;

type About = z.infer<typeof consoleAbout>;

export interface UpgradeOptions {
  connection: SiteConnection;
  argv: readonly string[];
  env: NodeJS.ProcessEnv;
  /** For the person. */
  say(text: string): void;
}

/**
 * Upgrades this console when the site has the next version for it, and goes on as that version (does not return then). Whatever fails is said, and keeps nobody from
 * working as long as the site talks to this version. Throws ConsoleError `upgrade` when it does not.
 */
export async function upgradeFirst(options: UpgradeOptions): Promise<void> {
  const { connection, env, say } = options;
  const installed = installedPlace();
  const running = readBundleAbout(import.meta.dirname);
  const steps = Number(env[STEPS_VARIABLE] ?? 0);
  if (installed === undefined || running === undefined || steps >= STEPS_LIMIT) return;
  const failed = failedVersion(installed, env);
  const about = await askAbout(connection, { running, installed, failed });
  if (about === undefined || about.bundle === null) return refuseUnsupported(about, running, undefined);
  const problem = await tryUpgrade(options, { about, installed, running, steps });
  refuseUnsupported(about, running, problem);
  if (problem !== undefined)
    say(
      `This console was not upgraded to ${about.bundleVersion}: ${problem} It works with the site as it is; the next start tries again.`,
    );
}

/** Undefined when the site does not say: then what comes next will tell why. */
async function askAbout(
  connection: SiteConnection,
  { running, installed, failed }: { running: ClientBundleAbout; installed: ProgramFolder; failed: string | undefined },
): Promise<About | undefined> {
  const runtimeFolder = installed.runtimeOf(installed.pointer('current') ?? '');
  const runtime = runtimeFolder === undefined ? null : installed.runtimeArchiveOf(runtimeFolder);
  try {
    const { version, platform } = running;
    return await connection.about({ version, platform, ...(runtime && { runtime }), ...(failed !== undefined && { failed }) });
  } catch (error) {
    if (error instanceof SiteRefusal) return undefined;
    if (error instanceof ConsoleError && error.exitCode === ExitCode.unavailable) return undefined;
    throw error;
  }
}

function refuseUnsupported(about: About | undefined, running: ClientBundleAbout, problem: string | undefined): void {
  if (about === undefined || about.supported) return;
  throw new ConsoleError(
    ExitCode.upgrade,
    `This console (${running.version}) is too old for the site (${about.version})${problem === undefined ? '' : `, and was not upgraded: ${problem}`}
Install the console again: /login > My Account > Downloads.`,
  );
}

interface Upgrade {
  about: About;
  installed: ProgramFolder;
  running: ClientBundleAbout;
  steps: number;
}

/** Does not return when it succeeds; else a sentence that says why it did not. */
async function tryUpgrade(options: UpgradeOptions, upgrade: Upgrade): Promise<string | undefined> {
  const { about, installed, running, steps } = upgrade;
  const place = upgradablePlace(installed, options.env);
  if (place === undefined)
    return 'the installation cannot be written by you. It must be redeployed: ask an administrator, or see /login > My Account > Downloads.';
  const order = orderOf(about);
  const folder = `${order.version}-${order.sha256.slice(0, 12)}`;
  if (hasFailed(place, folder, Date.now())) return `${order.version} was tried here and failed.`;
  const unlock = lock(place);
  if (unlock === undefined) return 'another console is upgrading it right now.';
  try {
    options.say(`Upgrading this console to ${order.version} ...`);
    await prepare(order, { place, running, connection: options.connection });
    switchTo(place, folder);
  } catch (error) {
    if (error instanceof UpgradeError && (error.failure === 'does-not-start' || error.failure === 'signature')) {
      noteFailed(place, folder);
    }
    return error instanceof Error ? error.message : String(error);
  } finally {
    unlock();
  }
  countTrialStart(place);
  await goOnAs(place, folder, options, steps);
  return undefined;
}

function orderOf(about: About): UpgradeOrder {
  const { bundle, bundleVersion, runtime, root, revision } = about;
  if (bundle === null || bundleVersion === null) throw new Error('bug: there is nothing to upgrade to');
  return {
    order: newId('clientUpgrade'),
    version: bundleVersion,
    revision,
    ...bundle,
    runtime,
    root,
    healthSeconds: HEALTH_SECONDS,
  };
}

async function prepare(
  order: UpgradeOrder,
  { place, running, connection }: { place: ProgramFolder; running: ClientBundleAbout; connection: SiteConnection },
): Promise<void> {
  const signal = AbortSignal.timeout(DOWNLOAD_LIMIT_MS);
  const state = join(place.directory, 'state');
  mkdirSync(join(state, 'parcels'), { recursive: true, mode: 0o700 });
  await prepareCandidate(order, {
    folder: place,
    running,
    updatesDirectory: join(state, 'updates'),
    fetch: (parcel) => fetchParcel(connection, parcel, join(state, 'parcels', parcel.sha256), signal),
    onVerifying: () => undefined,
    signal,
    log: createLog('console', undefined, { write: () => undefined }),
  });
}

/** Fetches a parcel whole. What comes is verified by its signatures afterwards; its hash only tells a cut from a forgery. */
async function fetchParcel(connection: SiteConnection, parcel: Parcel, file: string, signal: AbortSignal): Promise<string> {
  if (parcel.bytes > PARCEL_LIMIT_BYTES) throw new UpgradeError('refused', `a parcel of ${parcel.bytes} bytes is too large.`);
  await rm(file, { force: true });
  const hash = createHash('sha256');
  const handle = await open(file, 'wx', 0o600);
  let received = 0;
  try {
    for await (const chunk of await connection.bytes(`console/parcels/${parcel.sha256}`, signal)) {
      received += chunk.length;
      if (received > parcel.bytes) break;
      hash.update(chunk);
      await handle.appendFile(chunk);
    }
  } finally {
    await handle.close();
  }
  if (received === parcel.bytes && hash.digest('hex') === parcel.sha256) return file;
  await rm(file, { force: true });
  throw new UpgradeError('wrong-bytes', 'what was downloaded is not what the site announced.');
}

/** One console upgrades at a time. Undefined when another does; else what ends it. */
function lock(place: ProgramFolder): (() => void) | undefined {
  const file = join(place.directory, 'upgrading');
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const descriptor = openSync(file, 'wx', 0o600);
      writeSync(descriptor, String(process.pid));
      closeSync(descriptor);
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (isAlive(Number(readFileSync(file, 'utf8')))) return undefined;
      rmSync(file, { force: true });
    }
  }
  return undefined;
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** This process becomes the new version, with the same command; where a process cannot, the new one runs as its child. */
async function goOnAs(place: ProgramFolder, folder: string, { argv, env }: UpgradeOptions, steps: number): Promise<void> {
  const runtime = place.runtime(place.runtimeOf(folder) ?? '');
  const node = process.platform === 'win32' ? join(runtime, 'node.exe') : join(runtime, 'bin', 'node');
  const words = [join(place.bundle(folder), 'main.mjs'), ...argv];
  const surroundings = { ...env, [STEPS_VARIABLE]: String(steps + 1) };
  if (process.execve !== undefined && process.platform !== 'win32') process.execve(node, [node, ...words], surroundings);
  const child = spawn(node, words, { stdio: 'inherit', env: surroundings });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on('error', reject);
  child.on('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  process.exit(await promise);
}
