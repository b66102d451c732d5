import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sitePaths } from '@bascule/core/home.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { FromSite, SiteStart } from '@bascule/protocol/base-site.ts';
import { SupervisedProgram } from './site-program.ts';

/** A candidate that has not loaded by then is given up. */
export const PREPARE_LIMIT_MS = 60_000;
/** A candidate that neither works nor says how far its migration is for this long is given up. */
export const ACTIVATE_SILENCE_LIMIT_MS = 120_000;
/** What is frozen ends within this, or is killed. */
export const FREEZE_LIMIT_MS = 3_000;

/** A version of the site that can be started. */
export interface SiteSoftware {
  /** Its folder's name in software/site; empty for a checkout. */
  folder: string;
  version: string;
  /** The folder itself: apps/, packages/, node_modules/. */
  directory: string;
  /** The Node that runs it, and the folder with `bin/node` from which clients get theirs. */
  node: string;
  runtimeDir: string;
  programs: { main: string; relay: string };
}

export interface SitePairOptions {
  software: SiteSoftware;
  siteDir: string;
  /** Of this start's sockets; undefined for the site's own `run`. */
  runDir: string | undefined;
  /** All of BASCULE_SITE that does not come from the software. */
  siteStart(
    version: string,
  ): Omit<SiteStart, 'generation' | 'version' | 'softwareDir' | 'runtimeDir' | 'siteDir' | 'runDir' | 'mode'>;
  log: Log;
  healthIntervalMs?: number;
  healthSilenceLimitMs?: number;
}

/** main and relay of one version, with sockets of their own. */
export class SitePair {
  readonly software: SiteSoftware;
  readonly main: SupervisedProgram;
  readonly relay: SupervisedProgram;
  readonly #runDir: string | undefined;
  #generation = 1;

  constructor(options: SitePairOptions) {
    const { software, siteDir, runDir, log, healthIntervalMs, healthSilenceLimitMs } = options;
    this.software = software;
    this.#runDir = runDir;
    const paths = sitePaths(siteDir, runDir);
    const shared = {
      node: software.node,
      siteStart: () => ({
        ...options.siteStart(software.version),
        siteDir,
        generation: this.#generation,
        version: software.version,
        softwareDir: software.directory,
        runtimeDir: software.runtimeDir,
        ...(runDir !== undefined && { runDir }),
      }),
      log,
      healthIntervalMs,
      healthSilenceLimitMs,
    };
    this.main = new SupervisedProgram({
      ...shared,
      name: 'site',
      program: software.programs.main,
      socketPath: paths.mainSocket,
    });
    this.relay = new SupervisedProgram({
      ...shared,
      name: 'relay',
      program: software.programs.relay,
      socketPath: paths.relaySocket,
    });
  }

  get programs(): [SupervisedProgram, SupervisedProgram] {
    return [this.main, this.relay];
  }
  get ready(): boolean {
    return this.main.ready && this.relay.ready;
  }
  get failure(): string | undefined {
    return this.main.failure ?? this.relay.failure;
  }
  get deaths(): number {
    return this.main.deaths + this.relay.deaths;
  }
  /** Migrations that main would apply, and what it says of itself. */
  get pending(): string[] {
    return this.main.prepared?.pending ?? [];
  }
  get detail(): Record<string, string | number | boolean> {
    return this.main.prepared?.detail ?? {};
  }

  set switching(value: boolean) {
    for (const program of this.programs) program.switching = value;
  }

  /** Starts both to serve as the writers of `generation`. */
  start(generation: number): void {
    this.#generation = generation;
    this.#makeRunDir();
    this.relay.start();
    this.main.start();
  }

  /** Starts both and waits until they are loaded. `generation`: the one in force, for reading. Throws `SITE_CANDIDATE_FAILED`. */
  async prepare(generation: number, signal: AbortSignal): Promise<void> {
    // Of a site that never ran there is none yet.
    this.#generation = Math.max(1, generation);
    this.#makeRunDir();
    for (const program of this.programs) program.startOnce('prepare');
    try {
      await Promise.all(this.programs.map((program) => untilPrepared(program, signal)));
    } catch (error) {
      await this.end({ killAfterMs: 0 });
      throw error;
    }
  }

  /** Makes both the writers of `generation` and waits until they work. Throws `SITE_CANDIDATE_FAILED` at the first death or failure. */
  async activate(generation: number, onProgress: (text: string, done: number, total: number) => void): Promise<void> {
    this.#generation = generation;
    const deaths = this.deaths;
    // The relay first: main dials it as soon as it works.
    for (const program of [this.relay, this.main])
      if (!program.activate(generation)) throw candidateFailed(this.software, 'it ended while it waited to take over');
    await Promise.all(this.programs.map((program) => untilActive(program, this, deaths, onProgress)));
  }

  /** Ends both for good, and removes their sockets' folder. */
  async end(options: { comeBackAtOnce?: boolean; killAfterMs?: number }): Promise<void> {
    await Promise.all(this.programs.map((program) => program.stop(options)));
    if (this.#runDir !== undefined) rmSync(this.#runDir, { recursive: true, force: true });
  }

  #makeRunDir(): void {
    if (this.#runDir !== undefined) mkdirSync(this.#runDir, { recursive: true, mode: 0o700 });
  }
}

/** A folder for the sockets of one start. Its name is short: a socket's path has at most 107 bytes. */
export function newRunDir(run: string): string {
  return join(run, randomBytes(3).toString('hex'));
}

export function candidateFailed(software: SiteSoftware, reason: string): AppError {
  return new AppError('unavailable', 'SITE_CANDIDATE_FAILED', `Site ${software.version} did not start: ${reason}`, {
    params: { version: software.version, reason },
  });
}

async function untilPrepared(program: SupervisedProgram, outer: AbortSignal): Promise<void> {
  const limit = AbortSignal.timeout(PREPARE_LIMIT_MS);
  const signal = AbortSignal.any([outer, limit]);
  try {
    while (program.prepared === undefined) {
      throwIfOver(program);
      await once(program, 'change', { signal });
    }
  } catch (error) {
    outer.throwIfAborted();
    if (!limit.aborted) throw error;
    throw new AppError(
      'unavailable',
      'SITE_CANDIDATE_FAILED',
      `The new ${program.state.name} program was not loaded within ${PREPARE_LIMIT_MS / 1000} s.`,
    );
  }
}

async function untilActive(
  program: SupervisedProgram,
  pair: SitePair,
  deaths: number,
  onProgress: (text: string, done: number, total: number) => void,
): Promise<void> {
  let heardAtMs = performance.now();
  const hear = (message: FromSite): void => {
    heardAtMs = performance.now();
    if (message.kind === 'progress') onProgress(message.text, message.done, message.total);
  };
  program.on('message', hear);
  try {
    while (!program.ready) {
      throwIfOver(program);
      if (pair.deaths > deaths) throw candidateFailed(pair.software, 'a program of it ended while it took over');
      const leftMs = ACTIVATE_SILENCE_LIMIT_MS - (performance.now() - heardAtMs);
      if (leftMs <= 0) throw candidateFailed(pair.software, `it said nothing for ${ACTIVATE_SILENCE_LIMIT_MS / 1000} s`);
      await eitherEvent(program, leftMs);
    }
  } finally {
    program.off('message', hear);
  }
}

/** Resolves at the next change, or after `limitMs`. */
async function eitherEvent(program: SupervisedProgram, limitMs: number): Promise<void> {
  try {
    await once(program, 'change', { signal: AbortSignal.timeout(Math.ceil(limitMs)) });
  } catch {
    // The limit: the caller looks at the time.
  }
}

function throwIfOver(program: SupervisedProgram): void {
  if (program.failure !== undefined) throw new AppError('unavailable', 'SITE_CANDIDATE_FAILED', program.failure);
  if (!program.alive)
    throw new AppError('unavailable', 'SITE_CANDIDATE_FAILED', `The new ${program.state.name} program ended while it started.`);
}
