/** What an upgrade plan needs to know of this appliance's software: what is next, how long it takes, and a copy of both databases beforehand. */
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolderSync } from '@bascule/core/durable-file.ts';
import { removeTree } from '@bascule/core/remove-tree.ts';
import type { Log } from '@bascule/log/log.ts';
import type { Installation, Offer, PathStep } from '@bascule/protocol/api/updates.ts';
import type { Store } from '@bascule/store/store.ts';
import { removeOldSnapshots } from './installation-packages.ts';
import type { InstallerHost } from './installer-host.ts';
import { Removals } from './removals.ts';
import { syncFolders } from './slots-durable.ts';

/** Earlier installations of a kind that an expectation is made from. */
const EARLIER_COUNTED = 3;
/** What an installation takes besides its watch, when there was none yet. */
const FIRST_INSTALLATION_SECONDS = 60;

export interface NextPackage {
  target: string;
  kind: 'base' | 'site';
  version: string;
  downloaded: boolean;
  sha256: string | null;
  eulaAcceptedBy: string | null;
  /** By earlier installations and trials here, in seconds. */
  expectedSeconds: number;
}

/**
 * The packages that come next on the upgrade path, in their order: one base and one site at most, so that each of them can be rolled back. Licence packages
 * are installed by themselves.
 */
export function nextPackages(facts: {
  path: readonly PathStep[];
  offers: readonly Offer[];
  history: readonly Installation[];
  watchSeconds: number;
}): NextPackage[] {
  const found: NextPackage[] = [];
  for (const { action, target } of facts.path) {
    if (action !== 'install') continue;
    const offer = facts.offers.find((candidate) => candidate.target === target);
    if (offer === undefined) break;
    const { kind, version } = offer.manifest;
    if (kind === 'licence') continue;
    if (found.some((earlier) => earlier.kind === kind)) break;
    found.push({
      target: offer.target,
      kind,
      version,
      downloaded: offer.downloadedBytes >= offer.downloadBytes,
      sha256: null,
      eulaAcceptedBy: offer.eulaAccepted?.by ?? null,
      expectedSeconds: expectedSeconds(kind, version, facts),
    });
  }
  return found;
}

/** The mean of the last installations of this kind; else what a trial of this version took, with the watch that follows. */
function expectedSeconds(
  kind: 'base' | 'site',
  version: string,
  { history, watchSeconds }: { history: readonly Installation[]; watchSeconds: number },
): number {
  const seconds = ({ startedAtMs, endedAtMs }: Installation): number =>
    Math.max(0, (endedAtMs ?? startedAtMs) - startedAtMs) / 1000;
  const ofKind = history.filter((one) => one.kind === kind);
  const earlier = ofKind
    .filter(({ operation, outcome }) => operation === 'install' && outcome === 'installed')
    .slice(0, EARLIER_COUNTED);
  if (earlier.length > 0) return Math.round(earlier.reduce((sum, one) => sum + seconds(one), 0) / earlier.length);
  const trial = ofKind.find(({ outcome, toVersion }) => outcome === 'tried' && toVersion === version);
  return Math.round(watchSeconds + (trial === undefined ? FIRST_INSTALLATION_SECONDS : seconds(trial)));
}

/** Of snapshots that upgrade plans take; those of installations are kept beside them, under ids of their own. */
const PLAN_PREFIX = 'pln_';
const PARTIAL = '.partial';

/** Copies both databases as they are now below `snapshots/<plan>`; a second time does nothing. Throws what a snapshot throws; nothing is left then. */
export async function takePlanSnapshot(
  parts: { store: Store; host: Pick<InstallerHost, 'ready' | 'snapshot'>; log: Log; snapshots: string; keep: number },
  plan: string,
): Promise<void> {
  const { store, host, log, snapshots, keep } = parts;
  const directory = join(snapshots, plan);
  if (existsSync(directory)) return;
  const partial = `${directory}${PARTIAL}`;
  await removeTree(partial);
  try {
    mkdirSync(partial, { recursive: true, mode: 0o700 });
    await store.snapshot(join(partial, 'box.db'));
    await host.snapshot(join(partial, 'site.db'));
    writeFileSync(join(partial, 'about.json'), `${JSON.stringify({ plan, takenAtMs: Date.now() })}\n`);
    await syncFolders(partial);
    renameSync(partial, directory);
  } catch (error) {
    await removeTree(partial);
    throw error;
  }
  syncFolderSync(snapshots);
  await removeOldSnapshots(new Removals(log), snapshots, PLAN_PREFIX, keep);
}
