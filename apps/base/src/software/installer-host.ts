import type { ToldLicence } from '@bascule/protocol/api/licence.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import type { Losses, PlannedChange } from '@bascule/protocol/losses.ts';
import type { SiteCandidate, SiteSoftware, TrialReport } from '../site-host/site-host.ts';

export type SitePreflight = Extract<FromSite, { kind: 'preflight' }>;
export type SiteHealth = Extract<FromSite, { kind: 'health' }>;
/** How far the clients are with the site's version. */
export type FleetState = Omit<Extract<FromSite, { kind: 'fleet' }>, 'kind' | 'nonce' | 'error'>;
export type TestSession = Extract<FromSite, { kind: 'test-session' }>;

/** The site's host, as the engine needs it; `SiteHost` is the one, tests script another. */
export interface InstallerHost {
  readonly ready: boolean;
  /** Why the site cannot work, in its own sentence. */
  readonly failure: string | undefined;
  /** Deaths of the programs in force that nobody asked for, since `SiteHost` was made. */
  readonly deaths: number;
  processes(): ProcessState[];
  whenReady(timeoutMs: number): Promise<'ready' | 'failed' | 'late'>;
  /** Starts `software` beside the running one. Throws `SITE_CANDIDATE_FAILED`. */
  prepare(software: SiteSoftware, signal: AbortSignal): Promise<SiteCandidate>;
  /** Holds requests and ends the running programs: from here on nothing writes. */
  freeze(candidate: SiteCandidate): Promise<void>;
  /** Makes the candidate the writer and waits until both its programs work. Throws `SITE_CANDIDATE_FAILED`. */
  activate(candidate: SiteCandidate, onProgress: (text: string, done: number, total: number) => void): Promise<void>;
  /** Lets requests go on, to the candidate. Gives for how long they were held. */
  route(candidate: SiteCandidate): number;
  /** Ends a candidate that is not wanted. */
  discard(candidate: SiteCandidate): Promise<void>;
  /** Ends what runs and starts `software` cold, while requests are held. */
  restore(software: SiteSoftware): Promise<void>;
  /** Runs main once on the scratch copy `siteDir` (B49); gives what it said. Throws `SITE_CANDIDATE_FAILED`. */
  tryOn(software: SiteSoftware, siteDir: string, signal: AbortSignal): Promise<TrialReport>;
  health(candidate?: SiteCandidate): Promise<SiteHealth>;
  /** A snapshot of the site's database into the new file `target`; gives its size. */
  snapshot(target: string): Promise<number>;
  sitePreflight(): Promise<SitePreflight>;
  testSession(): Promise<TestSession>;
  /** How far client programs are with this version. Throws `SITE_UNAVAILABLE`, also of a site that does not know the question. */
  fleet(): Promise<FleetState>;
  /** Which clients would have trouble with `change` (I6). Throws as `fleet`. */
  whoWouldILose(change: PlannedChange): Promise<Losses>;
  /** Tells main, when it runs: the watch period of its version is over, or what base keeps for clients was renewed. */
  /** Main hears which licences are installed now. */
  tellLicences(licences: ToldLicence[]): void;
  tellMain(kind: 'committed' | 'update-metadata'): void;
}
