import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { homePaths } from '@bascule/core/home.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { ClockState, Installation, Offer, PreflightLine } from '@bascule/protocol/api/updates.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import type { Losses, PlannedChange } from '@bascule/protocol/losses.ts';
import type { PackageManifest } from '@bascule/protocol/package-manifest.ts';
import type { Store } from '@bascule/store/store.ts';
import { residentBytes } from '../box/box.ts';
import type { FleetCondition } from './fleet-condition.ts';
import type { SitePreflight } from './installer-host.ts';
import * as lines from './preflight-lines.ts';
import type { Slots } from './slots.ts';
import { freeBytes } from './uploads.ts';

/** What a Node runtime unpacks to, which no manifest says. */
const RUNTIME_UNPACKED_BYTES = 200 * 1024 * 1024;
/** Problems that are told of one database. */
const PROBLEMS_MAX = 20;
/** Installations that are looked through for a trial of the same package. */
const TRIALS_LOOKED_AT = 50;

export interface PreflightOptions {
  store: Pick<Store, 'problems'>;
  paths: ReturnType<typeof homePaths>;
  offer(target: string): Offer;
  manifest(target: string): PackageManifest;
  slots: Pick<Slots, 'current' | 'hasRuntime'>;
  clock(): ClockState;
  /** Of the newest signed list of releases. */
  metadataValidUntilMs(): number | null;
  certificateNotAfterMs(): number;
  /** When the web certificate was last exported with its key (B41); null: never. Absent: nobody knows. */
  certificateExportedAtMs?(): number | null;
  askSite(): Promise<SitePreflight>;
  askFleet(): Promise<FleetCondition>;
  whoWouldILose(change: PlannedChange): Promise<Losses>;
  processes(): ProcessState[];
  history(limit: number): Installation[];
}

/** Looks at everything that could stop an installation, and changes nothing. Throws NOT_FOUND for an unknown target. Takes a second, more with a large database. */
export async function preflight(target: string, options: PreflightOptions): Promise<PreflightLine[]> {
  const offer = options.offer(target);
  const { kind } = offer.manifest;
  const site = await options.askSite().catch((error: unknown) => error);
  const answer = isAnswer(site) ? site : undefined;
  const clock = options.clock();
  const nowMs = clock.effectiveMs;
  const common = [
    lines.requirementsLine(offer),
    lines.diskLine(diskNeed(offer, answer, options)),
    lines.clockLine(clock),
    lines.trustLine(options.metadataValidUntilMs(), nowMs),
    lines.certificateLine(options.certificateNotAfterMs(), nowMs),
  ];
  // A licence is rows and a folder: nothing is replaced.
  if (kind === 'licence') return common;
  return [
    ...common,
    lines.integrityLine({
      boxProblems: (await options.store.problems()).slice(0, PROBLEMS_MAX),
      siteProblems: answer?.error === undefined ? answer?.integrityProblems : undefined,
      siteError: answer?.error ?? (site instanceof AppError ? site.message : undefined),
    }),
    lines.snapshotLine(newestSnapshotMs(options.paths.snapshots), nowMs),
    // A site before 0.5.0, and the backup of a pair, say nothing of backups.
    ...(answer?.lastBackup === undefined ? [] : [lines.backupLine(answer.lastBackup, nowMs)]),
    ...(options.certificateExportedAtMs === undefined
      ? []
      : [lines.certificateExportLine(options.certificateExportedAtMs(), nowMs)]),
    lines.slotsLine(options.slots.current(kind)?.folder),
    lines.memoryLine(availableMemoryBytes(), programBytes(kind, options.processes())),
    ...(kind === 'site' ? [lines.migrationLine(migrationFacts(target, answer, options))] : []),
    lines.sessionsLine(answer?.sessions ?? [], answer?.clientsOnline ?? 0),
    ...(kind === 'site' ? await clientLines(options.manifest(target), options) : []),
  ];
}

/** How far clients are with the site in use, and which of them the new one would lose (B82-B89, I6). */
async function clientLines(
  { version, oldestProtocol }: PackageManifest,
  { askFleet, whoWouldILose }: PreflightOptions,
): Promise<PreflightLine[]> {
  const condition = await askFleet();
  const pending = lines.clientsPendingLine(condition);
  // A site that does not know the first question does not know the second one either.
  if (condition.state === 'unknown' || condition.state === 'no-site') return [pending];
  const losses = await whoWouldILose({ kind: 'package', version, oldestProtocol }).catch((error: unknown) => error);
  return [pending, lines.clientsLostLine(isLosses(losses) ? losses : undefined)];
}

function isLosses(value: unknown): value is Losses {
  return typeof value === 'object' && value !== null && 'lost' in value;
}

function isAnswer(value: unknown): value is SitePreflight {
  return typeof value === 'object' && value !== null && 'integrityProblems' in value;
}

function diskNeed(offer: Offer, site: SitePreflight | undefined, { paths, slots }: PreflightOptions): lines.DiskNeed {
  const { kind, unpackedBytes, runtime } = offer.manifest;
  const boxBytes = sizeOf(paths.boxDatabase) + sizeOf(`${paths.boxDatabase}-wal`);
  const siteBytes = site?.databaseBytes ?? sizeOf(paths.site.database);
  const isLicence = kind === 'licence';
  const runtimeBytes = runtime === null || slots.hasRuntime(runtime) ? 0 : RUNTIME_UNPACKED_BYTES;
  return {
    freeBytes: freeBytes(paths.home),
    downloadBytes: Math.max(0, offer.downloadBytes - offer.downloadedBytes),
    unpackedBytes: unpackedBytes + runtimeBytes,
    snapshotBytes: isLicence ? 0 : boxBytes + siteBytes,
    migrationBytes: kind === 'site' ? siteBytes : isLicence ? 0 : boxBytes,
  };
}

function newestSnapshotMs(folder: string): number | undefined {
  if (!existsSync(folder)) return undefined;
  const times = readdirSync(folder).map((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return times.length === 0 ? undefined : Math.max(...times);
}

/** MemAvailable of /proc/meminfo (proc(5)). */
function availableMemoryBytes(): number | undefined {
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** What runs twice for some seconds: the site's programs, and base too when it is replaced. */
function programBytes(kind: 'base' | 'site', processes: ProcessState[]): number {
  const names = kind === 'base' ? ['base', 'site', 'relay'] : ['site', 'relay'];
  return processes.filter(({ name }) => names.includes(name)).reduce((sum, { pid }) => sum + (residentBytes(pid) ?? 0), 0);
}

function migrationFacts(target: string, site: SitePreflight | undefined, options: PreflightOptions): lines.MigrationFacts {
  const { migrations, version, revision } = options.manifest(target);
  const applied = options.slots.current('site')?.manifest;
  const trial = options
    .history(TRIALS_LOOKED_AT)
    .find(
      ({ operation, outcome, kind, toVersion, revision: of }) =>
        operation === 'trial' && outcome === 'tried' && kind === 'site' && toVersion === version && of === revision,
    );
  return {
    // A staged checkout says nothing of its migrations.
    pending: applied?.migrations.length
      ? migrations.filter((migration) => !applied.migrations.includes(migration)).length
      : undefined,
    databaseBytes: site?.databaseBytes ?? sizeOf(options.paths.site.database),
    trialMs: trial === undefined ? undefined : candidateMs(trial),
  };
}

/** How long the new site took to start on the copy, migration included. */
function candidateMs({ steps }: Installation): number | undefined {
  const step =
    steps.find((candidate) => candidate.step === 'migrate' && candidate.state === 'done') ??
    steps.find((candidate) => candidate.step === 'candidate');
  return step?.startedAtMs == null || step.endedAtMs === null ? undefined : step.endedAtMs - step.startedAtMs;
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
