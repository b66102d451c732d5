/** Steps that every kind of package has: it comes onto the disk, is looked at, and is laid beside what runs. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolderSync } from '@bascule/core/durable-file.ts';
import { must } from '@bascule/core/must.ts';
import { removeTree } from '@bascule/core/remove-tree.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Release } from '@bascule/package-format/update-client.ts';
import type { PackageManifest } from '@bascule/protocol/package-manifest.ts';
import type { EngineOptions } from './engine-contract.ts';
import type { StepWork, Work } from './installation-run.ts';
import { ADVISORY_LINES } from './preflight-lines.ts';
import type { Removals } from './removals.ts';
import { Slots } from './slots.ts';
import { syncFolders } from './slots-durable.ts';

export type PackageParts = Pick<EngineOptions, 'shelf' | 'paths' | 'host' | 'store' | 'settings' | 'preflight'> & {
  slots: Slots;
  removals: Removals;
};

const SNAPSHOT_PARTIAL = '.partial';

/** A release whose manifest is there. */
export type PackageRelease = Release & { manifest: PackageManifest };

/** The release of a target. Throws `INSTALLATION_TARGET_UNKNOWN`. */
export function findRelease(parts: Pick<PackageParts, 'shelf'>, target: string): PackageRelease {
  const release = parts.shelf.find(target);
  if (release?.manifest === undefined)
    throw new AppError(
      'not-found',
      'INSTALLATION_TARGET_UNKNOWN',
      'This package is not among those that are known; look for updates again.',
    );
  return { ...release, manifest: release.manifest };
}

export function runtimeTarget(manifest: PackageManifest): string | undefined {
  return manifest.runtime === null ? undefined : `runtime/${manifest.runtime}.tar.zst`;
}

function releaseOf(parts: PackageParts, work: Work): PackageRelease {
  return findRelease(parts, must(work.entry().details.target, 'the target of an installation'));
}

/** What has to be here: the package, and its runtime unless that is unpacked already. */
function targetsOf(parts: PackageParts, release: PackageRelease): Release[] {
  const target = runtimeTarget(release.manifest);
  if (target === undefined || parts.slots.hasRuntime(must(release.manifest.runtime, 'the runtime'))) return [release];
  const runtime = parts.shelf.find(target);
  if (runtime === undefined)
    throw new AppError(
      'not-found',
      'PACKAGE_RUNTIME_MISSING',
      'The Node runtime that this package needs is not among what is known; look for updates again, or get a complete update file.',
    );
  return [release, runtime];
}

/** `download`: the package and its runtime, going on where an earlier attempt ended. */
export function download(parts: PackageParts): StepWork {
  return async (work) => {
    const targets = targetsOf(parts, releaseOf(parts, work));
    const total = targets.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    let before = 0;
    for (const { target, lengthBytes } of targets) {
      const start = before;
      await parts.shelf.obtain(target, {
        signal: work.signal,
        onProgress: (done) => work.progress('bytes', start + done, total),
      });
      work.say(`${target} is here (${lengthBytes} bytes)`);
      before += lengthBytes;
    }
  };
}

/** `verify`: reads again from the disk what was downloaded, and compares it with what was signed. */
export function verify(parts: PackageParts): StepWork {
  return async (work) => {
    const targets = targetsOf(parts, releaseOf(parts, work));
    const total = targets.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    let done = 0;
    for (const { target, sha256 } of targets) {
      const file = await parts.shelf.obtain(target, { signal: work.signal, onProgress: () => undefined });
      const hash = createHash('sha256');
      for await (const piece of createReadStream(file, { signal: work.signal, highWaterMark: 1024 * 1024 })) {
        hash.update(piece as Buffer);
        done += (piece as Buffer).length;
        work.progress('bytes', done, total);
      }
      if (hash.digest('hex') !== sha256) {
        // The next attempt fetches it anew.
        rmSync(file, { force: true });
        throw new AppError(
          'invalid',
          'PACKAGE_CORRUPT',
          `The file of ${target} was damaged on this disk: it is not what was signed.`,
        );
      }
      work.say(`${target} has the signed hash ${sha256}`);
    }
  };
}

/** `stage`: unpacks the package beside the versions that are here. */
export function stage(parts: PackageParts, kind: 'base' | 'site'): StepWork {
  return async (work) => {
    const release = releaseOf(parts, work);
    const { manifest, sha256 } = release;
    const [, runtime] = targetsOf(parts, release);
    const obtain = (target: string): Promise<string> =>
      parts.shelf.obtain(target, { signal: work.signal, onProgress: () => undefined });
    const folder = await parts.slots.stage({
      kind,
      manifest,
      sha256,
      archive: await obtain(release.target),
      runtimeArchive: runtime && (await obtain(runtime.target)),
      signal: work.signal,
      onProgress: (bytes) => work.progress('bytes', bytes, manifest.unpackedBytes),
    });
    work.note({ details: { toFolder: folder } });
    work.say(`${kind} ${manifest.version} lies in software/${kind}/${folder}`);
  };
}

/** `preflight`: red ends the installation, amber too unless it was overruled by name or only warns. */
export function preflight(parts: PackageParts): StepWork {
  return async (work) => {
    const { details, installation } = work.entry();
    // The room of the old versions counts as free.
    await parts.removals.settled();
    const found = await parts.preflight(must(details.target, 'the target'));
    const lines = found.map((line) =>
      line.outcome === 'amber' && details.overrule.includes(line.code) ? { ...line, overruledBy: installation.startedBy } : line,
    );
    work.note({ preflight: lines });
    for (const { outcome, text, overruledBy } of lines)
      if (outcome !== 'green')
        work.say(`preflight ${outcome}: ${text}${overruledBy === null ? '' : ` (overruled by ${overruledBy})`}`);
    const red = lines.filter(({ outcome }) => outcome === 'red');
    if (red.length > 0) throw new AppError('conflict', 'PREFLIGHT_RED', red.map(({ text }) => text).join(' '));
    const amber = lines.filter(
      ({ code, outcome, overruledBy }) => outcome === 'amber' && overruledBy === null && !ADVISORY_LINES.has(code),
    );
    if (amber.length > 0) throw new AppError('conflict', 'PREFLIGHT_AMBER', amber.map(({ text }) => text).join(' '));
  };
}

/** `snapshot`: both databases as they are now, for the worst case that a person has to look into; no rollback needs it. */
export function snapshot(parts: PackageParts): StepWork {
  return async (work) => {
    const { snapshots } = parts.paths;
    const directory = join(snapshots, work.id);
    if (existsSync(directory)) return;
    const partial = `${directory}${SNAPSHOT_PARTIAL}`;
    await removeTree(partial);
    try {
      await fillSnapshot(parts, work, partial);
      renameSync(partial, directory);
    } catch (error) {
      await removeTree(partial);
      throw error;
    }
    syncFolderSync(snapshots);
    work.say(`snapshots in ${directory}: ${sizes(directory)}`);
    await removeOldSnapshots(parts.removals, snapshots, 'ins_', parts.settings().keepSnapshots);
  };
}

async function fillSnapshot(parts: PackageParts, work: Work, partial: string): Promise<void> {
  mkdirSync(partial, { recursive: true, mode: 0o700 });
  await parts.store.snapshot(join(partial, 'box.db'));
  // A site that cannot start must be upgradable all the same; its database is not opened by anybody else.
  if (parts.host.ready) await parts.host.snapshot(join(partial, 'site.db'));
  else work.say('the site does not run: no snapshot of its database');
  const { kind, fromVersion, toVersion, startedAtMs } = work.entry().installation;
  writeFileSync(join(partial, 'about.json'), `${JSON.stringify({ kind, fromVersion, toVersion, startedAtMs })}\n`);
  await syncFolders(partial);
}

/** Keeps the newest `keep` whose ids begin with `prefix`: ids sort by time. */
export async function removeOldSnapshots(removals: Removals, snapshots: string, prefix: string, keep: number): Promise<void> {
  const kept = readdirSync(snapshots).filter((name) => name.startsWith(prefix) && !name.endsWith(SNAPSHOT_PARTIAL));
  await Promise.all(
    kept
      .sort()
      .slice(0, -keep)
      .map((name) => removals.remove(join(snapshots, name))),
  );
}

/** Removes, in the background, what an earlier process left half made or half removed. */
export function removeSnapshotLeftovers(removals: Removals, snapshots: string): void {
  removals.sweep(snapshots, (name) => name.endsWith(SNAPSHOT_PARTIAL) || name.startsWith(SCRATCH_PREFIX));
}

const SCRATCH_PREFIX = 'trial-';

/** A scratch copy of the site's state for a trial: its database, and the keys by which it reads its secrets; no recordings. */
export async function makeScratch(parts: PackageParts, id: string): Promise<string> {
  const { site, snapshots } = parts.paths;
  const scratch = join(snapshots, `${SCRATCH_PREFIX}${id}`);
  await removeTree(scratch);
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  await parts.host.snapshot(join(scratch, 'site.db'));
  for (const path of [site.keys, site.generation])
    if (existsSync(path)) await cp(path, join(scratch, path.slice(dirname(site.keys).length + 1)), { recursive: true });
  return scratch;
}

/** Removes the scratch copy of that trial, if there is one. */
export async function removeScratch(parts: PackageParts, id: string): Promise<void> {
  await removeTree(join(parts.paths.snapshots, `${SCRATCH_PREFIX}${id}`));
}

function sizes(directory: string): string {
  return readdirSync(directory)
    .map((name) => `${name} ${statSync(join(directory, name)).size} bytes`)
    .join(', ');
}
