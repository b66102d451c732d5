import type { FromSite, PairOrder } from '@bascule/protocol/base-site.ts';
import type { PairState, SiteSoftware, TrialReport } from '../site-host/site-host.ts';

/** What main says of itself after a restore. */
export type RestoredFigures = Omit<Extract<FromSite, { kind: 'restored-figures' }>, 'kind' | 'nonce' | 'error'>;

/** The site's host, as a restore needs it; `SiteHost` is the one. */
export interface RestoreHost {
  readonly ready: boolean;
  readonly failure: string | undefined;
  readonly software: SiteSoftware;
  readonly pairState: PairState | undefined;
  whenReady(timeoutMs: number): Promise<'ready' | 'failed' | 'late'>;
  /** Holds what arrives, and ends the programs in force: nothing writes once it resolves. */
  hold(): Promise<void>;
  /** Ends what runs and starts `software` cold, while requests are held. */
  restore(software: SiteSoftware): Promise<void>;
  /** Runs main once on the scratch copy `siteDir`. Throws `SITE_CANDIDATE_FAILED`. */
  tryOn(software: SiteSoftware, siteDir: string, signal: AbortSignal): Promise<TrialReport>;
  pairDo(plan: string, step: number, order: PairOrder): Promise<Extract<FromSite, { kind: 'pair-done' }>>;
  restoredFigures(): Promise<RestoredFigures>;
}
