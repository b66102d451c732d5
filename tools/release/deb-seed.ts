/** The seed of the Debian package (package-format 10): base and site of a repository with their runtimes, and all metadata that leads to them. */
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createLog } from '@bascule/log/log.ts';
import { consistentPath } from '@bascule/package-format/consistent-path.ts';
import { FolderMirror } from '@bascule/package-format/folder-mirror.ts';
import { renewMetadataCopy } from '@bascule/package-format/metadata-copy.ts';
import { runtimeTarget } from '@bascule/package-format/planner.ts';
import { SEED_FILE, type SeedAbout } from '@bascule/package-format/seed.ts';
import { UpdateClient, type Release } from '@bascule/package-format/update-client.ts';
import { compareVersions, satisfies } from '@bascule/package-format/version.ts';
import type { PackageManifest } from '@bascule/protocol/package-manifest.ts';
import { ReleaseError } from './release-error.ts';

/** Versions that were asked for; the newest of the repository otherwise. */
export interface SeedVersions {
  base?: string;
  site?: string;
}

export interface BuiltSeed {
  base: PackageManifest;
  site: PackageManifest;
  rootSha256: string;
}

interface Chosen {
  release: Release;
  manifest: PackageManifest;
}

/** Fills `folder` out of `repository`, reading both as an appliance would. Throws ReleaseError when the repository lacks something or the two do not fit. */
export async function buildSeed(repository: string, folder: string, versions: SeedVersions): Promise<BuiltSeed> {
  const scratch = await mkdtemp(join(tmpdir(), 'bascule-seed-'));
  try {
    const client = await UpdateClient.open({ directory: scratch, now: Date.now, log: createLog('release', 'silent') });
    const mirror = new FolderMirror(repository);
    // From the first root on: an appliance may trust any of them.
    const first = await readFile(join(repository, 'metadata', '1.root.json')).catch(() => undefined);
    if (first === undefined) throw new ReleaseError(`${repository} is no repository: npm run release -- repository makes one.`);
    await client.confirmTrust(first);
    await client.refresh(mirror, undefined, { undated: true });
    const base = choose(client, 'base', versions.base);
    const site = choose(client, 'site', versions.site);
    checkFit(base.manifest, site.manifest);
    const metadata = await client.trustedFiles();
    const root = metadata
      ?.filter(({ name }) => name.endsWith('.root.json'))
      .toSorted(byVersion)
      .at(-1);
    const trust = client.trust();
    if (metadata === undefined || root === undefined || trust === undefined)
      throw new ReleaseError(`The metadata of ${repository} is not whole: npm run release -- refresh --repository ${repository}`);
    await renewMetadataCopy(join(folder, 'metadata'), metadata);
    await writeFile(join(folder, 'metadata', 'root.json'), root.bytes);
    const runtimes = [base, site].flatMap(({ manifest: { runtime } }) => (runtime === null ? [] : [runtimeTarget(runtime)]));
    for (const target of new Set([base.release.target, site.release.target, ...runtimes]))
      await copyTarget(repository, folder, client, target);
    const about: SeedAbout = { format: 'bascule-seed/1', base: base.release.target, site: site.release.target };
    await writeFile(join(folder, SEED_FILE), `${JSON.stringify(about, undefined, 2)}\n`);
    return { base: base.manifest, site: site.manifest, rootSha256: trust.rootSha256 };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function byVersion(one: { name: string }, other: { name: string }): number {
  return Number.parseInt(one.name, 10) - Number.parseInt(other.name, 10);
}

function choose(client: UpdateClient, kind: 'base' | 'site', version: string | undefined): Chosen {
  const known = client
    .releases()
    .flatMap((release) => (release.manifest?.kind === kind ? [{ release, manifest: release.manifest }] : []))
    .filter(({ manifest }) => version === undefined || manifest.version === version)
    .toSorted((one, other) => compareVersions(one.manifest.version, other.manifest.version));
  const chosen = known.at(-1);
  if (chosen === undefined)
    throw new ReleaseError(`The repository has no ${kind}${version === undefined ? '' : ` ${version}`}: publish it first.`);
  return chosen;
}

function checkFit(base: PackageManifest, site: PackageManifest): void {
  for (const [one, other] of [
    [base, site],
    [site, base],
  ] as const) {
    const range = one.requires[other.kind as 'base' | 'site'];
    if (range !== undefined && !satisfies(other.version, range))
      throw new ReleaseError(
        `${one.kind} ${one.version} needs ${other.kind} ${range}, not ${other.version}: name versions that fit with --base and --site.`,
      );
  }
}

async function copyTarget(repository: string, folder: string, client: UpdateClient, target: string): Promise<void> {
  const release = client.find(target);
  if (release === undefined) throw new ReleaseError(`The repository does not name ${target}: publish the package again.`);
  const path = join('targets', consistentPath(target, release.sha256));
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await copyFile(join(repository, path), join(folder, path));
}
