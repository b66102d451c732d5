import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { plan, runtimeTarget, type InstalledPackage, type KnownRelease } from '@bascule/package-format/planner.ts';
import type { Release } from '@bascule/package-format/update-client.ts';
import type { Offer, PathStep } from '@bascule/protocol/api/updates.ts';
import type { PackageManifest } from '@bascule/protocol/package-manifest.ts';
import type { CheckResult } from './updates-store.ts';

/** The part of `UpdateClient` that offers are made from. */
export interface ReleaseSource {
  releases(): Release[];
  find(target: string): Release | undefined;
  present(target: string): { bytes: number; verified: boolean };
  pathOf(target: string): string | undefined;
}

/** What runs here, as far as offers need it. */
export interface SoftwareHere {
  packages: InstalledPackage[];
  /** SHA-256 of the archives of the Node runtimes that are unpacked here. */
  runtimes: string[];
}

/**
 * All releases with what may be done with them, and the upgrade path. What is on the disk was brought for this appliance, by it or by hand: it counts as
 * offered (and so stays installable after it was downloaded, unlike B75).
 */
export function offersOf(options: {
  source: ReleaseSource;
  installed: SoftwareHere;
  check: CheckResult | undefined;
  maintainedUntilMs: number | null;
  eulaAccepted(sha256: string): { by: string; atMs: number } | undefined;
  /** Of the site in use: those that the next site package waits for. */
  waitingClients: PathStep['clients'];
  nowMs: number;
}): { offers: Offer[]; path: PathStep[] } {
  const { source, installed, check } = options;
  const releases = source.releases().flatMap((release) => {
    const { manifest, target } = release;
    if (manifest === undefined) return [];
    const isHere = source.present(target).verified;
    const offeredFrom = check?.offeredFromMs ?? null;
    const offeredFromMs = isHere || offeredFrom === null ? 0 : (offeredFrom[target] ?? null);
    const known: KnownRelease = {
      target,
      manifest,
      downloadBytes: sizes(release, manifest, options).downloadBytes,
      offeredFromMs,
    };
    return [{ known, release, manifest }];
  });
  const planned = plan({
    installed: installed.packages,
    releases: releases.map(({ known }) => known),
    nowMs: options.nowMs,
    maintainedUntilMs: options.maintainedUntilMs,
    ...(options.waitingClients && { waitingClients: options.waitingClients }),
  });
  const offers = planned.offers.flatMap(({ release: { target }, state, blockedBy }) => {
    const found = releases.find(({ known }) => known.target === target);
    if (found === undefined) return [];
    const { workspaces: _workspaces, migrations: _migrations, eula, ...manifest } = found.manifest;
    const eulaSha256 = sha256Of(eula);
    return [
      {
        target,
        manifest,
        ...sizes(found.release, found.manifest, options),
        eulaSha256,
        eulaAccepted: options.eulaAccepted(eulaSha256) ?? null,
        state,
        blockedBy: blockedBy.slice(0, 8),
        downloadedAtMs: writtenAt(source.pathOf(target)),
      },
    ];
  });
  return { offers, path: planned.path };
}

/** With the runtime that it needs, when that is not here. */
function sizes(
  release: Release,
  { runtime }: PackageManifest,
  { source, installed }: { source: ReleaseSource; installed: SoftwareHere },
): { downloadBytes: number; downloadedBytes: number } {
  const parts = [release];
  const needed = runtime === null || installed.runtimes.includes(runtime) ? undefined : source.find(runtimeTarget(runtime));
  if (needed !== undefined) parts.push(needed);
  let downloadBytes = 0;
  let downloadedBytes = 0;
  for (const { target, lengthBytes } of parts) {
    const { bytes, verified } = source.present(target);
    downloadBytes += lengthBytes;
    // What is whole but not verified must not look as if it were ready.
    downloadedBytes += verified ? lengthBytes : Math.max(0, Math.min(bytes, lengthBytes - 1));
  }
  return { downloadBytes, downloadedBytes };
}

/** SHA-256 of a licence agreement's UTF-8 text: what is accepted (B62). */
export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function writtenAt(file: string | undefined): number | null {
  const modified = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  return modified === undefined ? null : Math.floor(modified);
}
