/** What the update engine takes and gives: the parts it works with are named here, so that tests and software.ts need no other file of it. */
import type { homePaths } from '@bascule/core/home.ts';
import type { Log } from '@bascule/log/log.ts';
import type { PreflightLine, Installation, UpdateSettings } from '@bascule/protocol/api/updates.ts';
import type { LicenceTerms, PackageKind } from '@bascule/protocol/package-manifest.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import type { FaultPoint } from './fault-points.ts';
import type { InstallerHost } from './installer-host.ts';
import type { Shelf } from './shelf.ts';

/** boot, as the engine needs it (docs/spec/boot.md, 6): `BootLink` is one. */
export interface BootDoor {
  /** Starts the version on trial beside this base; resolves when it is prepared and this base is told to stop. Throws `BASE_CANDIDATE_FAILED`. */
  tryBase(): Promise<void>;
}

/** What is told by mail: an installation that ended. */
export interface InstallationMail {
  event: 'installed' | 'rolled-back' | 'failed';
  installation: Installation;
}

export interface EngineOptions {
  store: Store;
  paths: ReturnType<typeof homePaths>;
  shelf: Shelf;
  host: InstallerHost;
  boot: BootDoor;
  /** The version folder from which this very process runs, such as `0.1.0-0123456789ab`; undefined from a checkout, where nothing is installed. */
  baseFolder: string | undefined;
  /** Where the front door is reached from this machine, for looking whether pages answer: `https://127.0.0.1:8443`. */
  ownUrl: string;
  settings(): UpdateSettings;
  /** The lines for a package that is about to be installed. */
  preflight(target: string): Promise<PreflightLine[]>;
  mail(mail: InstallationMail): void;
  /** Ends this process in order, for boot to start the version that the pointer names. */
  restartBase(): void;
  /** Throws why nothing may be installed now: a restore is under way. */
  mayBegin?(): void;
  log: Log;
  now?: () => number;
  /** Called before and after each step; `BASCULE_FAULT` in production (fault-points.ts). */
  faultPoint?: FaultPoint;
  /** Times that tests shorten. */
  limits?: Partial<EngineLimits>;
}

/** Every wait of an installation, by name. */
export interface EngineLimits {
  /** How long base may take from `try-base` to `ready` of the new one, in the deadline that boot keeps. */
  baseStartMs: number;
  /** How long this base waits for the `stop` that follows a prepared candidate. */
  baseStopMs: number;
  /** How long a restored site may take until the rollback is called done. */
  restoreMs: number;
  /** How long clients may take to come back. */
  drainMs: number;
  /** How long the site may be away within the watch period. */
  watchUnreadyMs: number;
  /** Between two looks of the drain and the watch. */
  lookEveryMs: number;
}

export const ENGINE_LIMITS: EngineLimits = {
  baseStartMs: 180_000,
  baseStopMs: 30_000,
  restoreMs: 120_000,
  drainMs: 120_000,
  watchUnreadyMs: 30_000,
  lookEveryMs: 1_000,
};

/** One installed package. */
export interface InstalledSoftware {
  kind: PackageKind;
  version: string;
  revision: string;
  installedAtMs: number | null;
  previousVersion: string | null;
  /** Of base and site: the folder's name in software/<kind>. */
  folder: string | null;
  /** Of licences. */
  licence: LicenceTerms | null;
}

export interface InstallRequest {
  target: string;
  /** Codes of amber preflight lines that are overruled by whoever asks. */
  overrule: string[];
  by: Context;
}

/** The engine, as routes and control verbs see it. All throw `AppError` (`INSTALLATION_*`). */
export interface InstallationEngine {
  /** Before the site starts: undoes or goes on with what a crash cut, and so decides which version of the site starts. */
  resume(): void;
  /** Once the site was started: goes on with drain, watch and commit, and mails what `resume` ended. */
  continueAfterStart(): void;
  /** Stops working without ending anything: base goes down, and the next one goes on. */
  stop(): void;
  /** All four give the installation's id at once. */
  install(request: InstallRequest): string;
  download(request: { target: string; by: Context }): string;
  trial(request: { target: string; by: Context }): string;
  rollBack(kind: 'base' | 'site', by: Context): string;
  cancel(id: string, by: Context): void;
  acknowledge(id: string, by: Context): void;
  /** Runs the verification list of the last installation again. */
  verifyAgain(by: Context): void;
  running(): Installation | undefined;
  rolledBack(): Installation | undefined;
  lastInstalled(): Installation | undefined;
  history(limit: number): Installation[];
  logOf(id: string): string;
  installed(): InstalledSoftware[];
}
