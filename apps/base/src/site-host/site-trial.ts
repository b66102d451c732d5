import { once } from 'node:events';
import { AppError } from '@bascule/errors/app-error.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import { candidateFailed, type SitePair } from './site-pair.ts';

/** A trial on a copy that has not worked by then is given up: as long as a snapshot may take. */
export const TRIAL_LIMIT_MS = 30 * 60_000;

/** What a trial on a copy measured (B49). */
export interface TrialReport {
  /** From the start of main until it worked, the migration included. */
  startMs: number;
  /** What it did on the way, as it said: migrations by name. */
  told: string[];
  /** What it measured itself. */
  detail: Record<string, string | number | boolean>;
}

/** Runs main of `pair` once in the mode `trial` and ends it. Throws `SITE_CANDIDATE_FAILED`, and what `signal` was aborted with. */
export async function tryOnCopy(pair: SitePair, signal: AbortSignal): Promise<TrialReport> {
  const { main, software } = pair;
  const told: string[] = [];
  const detail: TrialReport['detail'] = {};
  main.on('message', (message: FromSite) => {
    if (message.kind === 'progress') told.push(message.text);
    if (message.kind === 'ready') Object.assign(detail, message.detail);
  });
  const startedAtMs = performance.now();
  const limit = AbortSignal.timeout(TRIAL_LIMIT_MS);
  main.startOnce('trial');
  try {
    while (!main.ready) {
      if (main.failure !== undefined) throw candidateFailed(software, main.failure);
      if (!main.alive) throw candidateFailed(software, 'it ended while it started on the copy');
      await once(main, 'change', { signal: AbortSignal.any([signal, limit]) });
    }
    return { startMs: Math.round(performance.now() - startedAtMs), told, detail };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AppError) throw error;
    throw candidateFailed(software, `it did not work on the copy within ${TRIAL_LIMIT_MS / 60_000} minutes`);
  } finally {
    await pair.end({});
  }
}
