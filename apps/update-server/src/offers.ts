/** Which releases an appliance may have, from when on (B42), and in which order: the schedule, and the planner of the appliance itself. */
import { z } from 'zod';
import { plan, targetsOfPath, type InstalledPackage, type KnownRelease, type Plan } from '@bascule/package-format/planner.ts';
import type { Release } from '@bascule/package-format/update-client.ts';
import { packageVersion, type PackageManifest } from '@bascule/protocol/package-manifest.ts';
import { sha256Hex } from '@bascule/protocol/text.ts';
import type { Appliance, ScheduleEntry } from './server-store.ts';

/** What an appliance says that it has, in a question and in a download key. */
export const installedState = z.object({
  base: packageVersion,
  site: packageVersion,
  runtimes: z.array(sha256Hex).max(50),
});
export type InstalledState = z.infer<typeof installedState>;

/** A release that is a package: every target with a manifest. */
export type PackageRelease = Release & { manifest: PackageManifest };

export interface OfferRules {
  schedule: readonly ScheduleEntry[];
  /** Releases without an entry are for nobody. */
  scheduledOnly: boolean;
  /** What the appliance has downloaded before is not offered again (B75). */
  offerOnce: boolean;
}

export function isPackage(release: Release): release is PackageRelease {
  return release.manifest !== undefined;
}

/**
 * From when on `appliance` may have `release`; undefined for never. An entry for the appliance itself counts before one for its ring, and that before one
 * for all.
 */
export function offeredFromMs(release: PackageRelease, appliance: Appliance, rules: OfferRules): number | undefined {
  const { kind, version, licence } = release.manifest;
  const entries = rules.schedule.filter((entry) => entry.package === kind && entry.version === version);
  const entry =
    entries.find(({ applianceId }) => applianceId === appliance.id) ??
    entries.find(({ ring }) => ring !== null && ring === appliance.ring) ??
    entries.find(({ applianceId, ring }) => applianceId === null && ring === null);
  if (entry !== undefined) return entry.fromMs;
  if (entries.length > 0 || rules.scheduledOnly) return undefined;
  return licence !== undefined && appliance.holder !== '' && appliance.holder !== licence.holder ? undefined : 0;
}

/** Every release that `appliance` may have now or later. */
export function offersFor(
  releases: readonly Release[],
  appliance: Appliance,
  rules: OfferRules,
  downloaded: ReadonlyMap<string, number>,
): { release: PackageRelease; fromMs: number }[] {
  return releases.filter(isPackage).flatMap((release) => {
    const fromMs = offeredFromMs(release, appliance, rules);
    if (fromMs === undefined || (rules.offerOnce && downloaded.has(release.target))) return [];
    return [{ release, fromMs }];
  });
}

/** What the planner says to an appliance that has `installed`. */
export function planFor(
  offers: readonly { release: PackageRelease; fromMs: number }[],
  all: readonly Release[],
  appliance: Pick<Appliance, 'maintainedUntilMs'>,
  installed: Pick<InstalledState, 'base' | 'site'>,
  nowMs: number,
): Plan {
  const requiresOf = (kind: 'base' | 'site', version: string): InstalledPackage['requires'] =>
    all.find(({ manifest }) => manifest?.kind === kind && manifest.version === version)?.manifest?.requires;
  return plan({
    installed: (['base', 'site'] as const).map((kind) => {
      const version = installed[kind];
      return { kind, version, requires: requiresOf(kind, version) };
    }),
    releases: offers.map(knownRelease),
    nowMs,
    maintainedUntilMs: appliance.maintainedUntilMs,
  });
}

/**
 * The targets that are missing on the way from `installed` to the newest, in the order of installation, runtimes before what needs them. A download key
 * does not say which licences are installed: the newest of each holder that fits comes along, and alone only if it was never downloaded.
 */
export function missingTargets(
  offers: readonly { release: PackageRelease; fromMs: number }[],
  path: Plan['path'],
  licences: Plan['offers'],
  installed: InstalledState,
  downloaded: ReadonlyMap<string, number>,
): string[] {
  const targets = targetsOfPath(path, offers.map(knownRelease), installed.runtimes);
  const newestOfHolder = new Map<string, string>();
  for (const { release, state } of licences) {
    const holder = release.manifest.licence?.holder;
    if (state === 'installable' && holder !== undefined && !newestOfHolder.has(holder))
      newestOfHolder.set(holder, release.target);
  }
  const extra = [...newestOfHolder.values()].filter((target) => !targets.includes(target));
  return [...targets, ...(targets.length > 0 ? extra : extra.filter((target) => !downloaded.has(target)))];
}

function knownRelease({ release, fromMs }: { release: PackageRelease; fromMs: number }): KnownRelease {
  return { target: release.target, manifest: release.manifest, downloadBytes: release.lengthBytes, offeredFromMs: fromMs };
}
