/** Drain and watch: whether the new version is well, clients come back, and it stays so. */
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '@bascule/errors/app-error.ts';
import type { EngineLimits, EngineOptions } from './engine-contract.ts';
import { pageAnswers } from './own-page.ts';
import type { StepWork, Work } from './installation-run.ts';

/** So many deaths of the site's programs since the switch are a crash loop. */
export const CRASH_LOOP_DEATHS = 3;
/** So many looks in a row must fail before a version that runs is called unhealthy. */
export const FAILED_LOOKS_LIMIT = 3;
/** Added to the limit of the drain for each client that was online: they come back at a limited rate. */
export const DRAIN_PER_CLIENT_MS = 20;
/** A watch that a restart of base cut short goes on for at least this. */
export const WATCH_AFTER_RESTART_MS = 5_000;

export interface WatchParts {
  host: EngineOptions['host'];
  settings: EngineOptions['settings'];
  ownUrl: string;
  limits: EngineLimits;
  now(): number;
}

/** Looks at the site again and again from the switch to the commit. Throws `CRASH_LOOP` or `SITE_UNHEALTHY`: then it is rolled back. */
export class SiteWatch {
  readonly #parts: WatchParts;
  #deathsBefore: number | undefined;
  #unreadySinceMs: number | undefined;
  #failedLooks = 0;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** `drain`: clients that were online before are back, most of them at least. Throws `CLIENTS_NOT_BACK`. */
  get drain(): StepWork {
    return async (work) => {
      await this.#untilReady(work);
      const before = work.entry().details.clientsBefore ?? 0;
      if (before === 0) return 'skipped';
      const deadlineMs = performance.now() + this.#parts.limits.drainMs + before * DRAIN_PER_CLIENT_MS;
      let back = 0;
      for (;;) {
        back = await this.#clientsOnline();
        work.progress('clients', Math.min(back, before), before);
        if (back >= before || performance.now() >= deadlineMs) break;
        await pause(this.#parts.limits.lookEveryMs, undefined, { signal: work.signal });
        this.#look(work);
      }
      work.note({ details: { clientsBack: back } });
      work.say(`${back} of ${before} clients are back`);
      // Most of them away for good is the fault of an upgrade, not of their networks (B114).
      if (back * 2 < before)
        throw new AppError('unavailable', 'CLIENTS_NOT_BACK', `Only ${back} of ${before} clients came back to the new version.`);
      return undefined;
    };
  }

  /** `watch`: for the time that the settings name. */
  get watch(): StepWork {
    return async (work) => {
      const totalMs = this.#parts.settings().watchSeconds * 1000;
      const startedAtMs = work.entry().details.watchStartedAtMs;
      if (startedAtMs === null) work.note({ details: { watchStartedAtMs: this.#parts.now() } });
      // The system's clock may have jumped meanwhile: neither way does the watch get longer than it is or end at once.
      const passedMs = startedAtMs === null ? 0 : Math.min(Math.max(0, this.#parts.now() - startedAtMs), totalMs);
      const leftMs = Math.max(totalMs - passedMs, Math.min(totalMs, WATCH_AFTER_RESTART_MS));
      await this.#untilReady(work);
      const beginMs = performance.now();
      for (let elapsedMs = 0; elapsedMs < leftMs; elapsedMs = performance.now() - beginMs) {
        work.progress('seconds', Math.floor((totalMs - leftMs + elapsedMs) / 1000), Math.ceil(totalMs / 1000));
        await pause(Math.min(this.#parts.limits.lookEveryMs, leftMs), undefined, { signal: work.signal });
        this.#look(work);
        await this.#lookInside(work);
      }
    };
  }

  /** Deaths and absence, from outside. */
  #look(work: Work): void {
    const { host, limits } = this.#parts;
    this.#deathsBefore ??= host.deaths;
    const deaths = host.deaths - this.#deathsBefore;
    if (deaths >= CRASH_LOOP_DEATHS)
      throw new AppError(
        'unavailable',
        'CRASH_LOOP',
        `The programs of the site ended ${deaths} times since the new version took over.`,
      );
    if (host.ready) {
      this.#unreadySinceMs = undefined;
      return;
    }
    this.#unreadySinceMs ??= performance.now();
    if (performance.now() - this.#unreadySinceMs < limits.watchUnreadyMs) return;
    work.say(`the site is away: ${host.failure ?? 'it does not say why'}`);
    throw new AppError(
      'unavailable',
      'SITE_UNHEALTHY',
      `The site was away for ${Math.round(limits.watchUnreadyMs / 1000)} s after the new version took over${host.failure === undefined ? '' : `: ${host.failure}`}.`,
    );
  }

  /** What it says of itself, and whether pages come. */
  async #lookInside(work: Work): Promise<void> {
    const { host, ownUrl } = this.#parts;
    // A program that restarts is a death, and counted as such.
    if (!host.ready) return;
    const problem = await firstProblem(host, ownUrl);
    if (problem === undefined || !host.ready) {
      this.#failedLooks = 0;
      return;
    }
    this.#failedLooks++;
    work.say(`${problem} (${this.#failedLooks} of ${FAILED_LOOKS_LIMIT})`);
    if (this.#failedLooks >= FAILED_LOOKS_LIMIT)
      throw new AppError('unavailable', 'SITE_UNHEALTHY', `The new version is not well: ${problem}.`);
  }

  async #untilReady(work: Work): Promise<void> {
    const { host, limits } = this.#parts;
    this.#deathsBefore ??= host.deaths;
    const deadlineMs = performance.now() + limits.restoreMs;
    while (!host.ready) {
      if (performance.now() > deadlineMs)
        throw new AppError(
          'unavailable',
          'SITE_UNHEALTHY',
          `The site was not ready ${Math.round(limits.restoreMs / 1000)} s after the new version took over${host.failure === undefined ? '' : `: ${host.failure}`}.`,
        );
      work.signal.throwIfAborted();
      if (host.deaths - this.#deathsBefore >= CRASH_LOOP_DEATHS)
        throw new AppError(
          'unavailable',
          'CRASH_LOOP',
          'The programs of the site ended again and again after the new version took over.',
        );
      await pause(Math.min(limits.lookEveryMs, 100), undefined, { signal: work.signal });
    }
  }

  async #clientsOnline(): Promise<number> {
    return (await clientsOnline(this.#parts.host)) ?? 0;
  }
}

/** How many clients are online; undefined when the site does not say. */
export async function clientsOnline(host: EngineOptions['host']): Promise<number | undefined> {
  if (!host.ready) return undefined;
  try {
    const { detail } = await host.health();
    return typeof detail['clientsOnline'] === 'number' ? detail['clientsOnline'] : undefined;
  } catch {
    // It restarts at this moment: the next look tells.
    return undefined;
  }
}

async function firstProblem(host: EngineOptions['host'], ownUrl: string): Promise<string | undefined> {
  try {
    const { ok } = await host.health();
    if (!ok) return 'the site says that it is not well';
  } catch {
    return 'the site does not answer';
  }
  for (const path of ['/login', '/appliance'])
    if (!(await pageAnswers(`${ownUrl}${path}`))) return `the page ${path} does not come`;
  return undefined;
}
