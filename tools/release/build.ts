/** Packages of base, site and licence from a checkout (package-format 2). */
import { existsSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packArchive, type ArchiveFile } from '@bascule/package-format/archive.ts';
import { packageManifest, type PackageKind, type PackageManifest } from '@bascule/protocol/package-manifest.ts';
import { archiveOf, noteBuilt, type Built } from './built.ts';
import { buildClientBundles, SUPERVISOR, supervisorOf } from './client-bundle.ts';
import { contentsOf } from './contents.mjs';
import { manifestOf, revisionOf, sourceFactsOf } from './manifest.mjs';
import { ReleaseError } from './release-error.ts';
import { buildForWindows } from './windows.ts';
import { buildRuntime } from './runtime-archive.ts';

const MANIFEST_FILE = 'bascule-package.json';
/** The manifest states its own length as part of the whole; it settles after two rounds. */
const MANIFEST_ROUNDS_LIMIT = 5;

export interface BuildOptions {
  /** The checkout to build from, absolute. */
  source: string;
  kind: PackageKind;
  version: string;
  /** Gets one folder per role, as a repository has them; absolute. */
  out: string;
  /** What replaces the defaults of tools/release/release.json. */
  overrides: Partial<PackageManifest>;
  /** With programs and packages for Windows: needs Debian packages that the error names, and the network once. */
  windows?: boolean;
  /** Its dependencies are installed and its web interface is built: not looked at again. */
  isPrepared?: boolean;
}

/** Builds one package, and what goes with it: the runtime it names, a site's client programs. The package itself comes first. */
export async function buildPackage(options: BuildOptions): Promise<Built[]> {
  const { kind, version, out } = options;
  await mkdir(join(out, kind), { recursive: true });
  if (kind === 'licence') return [await buildLicence(options)];
  const source = options.source;
  if (!options.isPrepared) await prepare(source);
  const runtime = await buildRuntime(source, out);
  const revision = options.overrides.revision ?? revisionOf(source).revision;
  const clients = kind === 'site' ? await buildClientBundles(source, version, revision, out) : [];
  if (options.windows) clients.push(...(await buildForWindows(source, version, revision, out)));
  const contents = contentsOf(source, kind);
  const about = { name: 'bascule', version, private: true, type: 'module' };
  const files: ArchiveFile[] = [
    ...contents.files,
    { path: 'package.json', source: Buffer.from(`${JSON.stringify(about)}\n`), executable: false },
    ...clients.map(({ target }) => ({ path: target, source: archiveOf(out, target), executable: false })),
    // It is no bundle: installers put it on endpoints, and no upgrade replaces it.
    ...(kind === 'site' ? [{ path: SUPERVISOR.path, source: supervisorOf(source), executable: false }] : []),
  ];
  const facts = sourceFactsOf(process.execPath, source);
  const manifest = manifestOf({
    source,
    kind,
    version,
    runtimeSha256: runtime.sha256,
    migrations: facts.migrations[kind],
    oldestProtocol: facts.oldestProtocol,
    workspaces: contents.workspaces,
    overrides: options.overrides,
  });
  const target = `${kind}/bascule-${kind}-${version}.tar.zst`;
  const companions = clients.map((client) => client.target);
  const built = await pack(out, target, manifest, files, companions);
  return [built, runtime, ...clients];
}

/** A licence package holds nothing but its manifest. */
async function buildLicence({ source, version, out, overrides }: BuildOptions): Promise<Built> {
  const holder = overrides.licence?.holder;
  if (holder === undefined)
    throw new ReleaseError('A licence needs its holder and its life: --holder NAME --maintained-until DATE.');
  const manifest = manifestOf({
    source,
    kind: 'licence',
    version,
    runtimeSha256: null,
    migrations: [],
    workspaces: {},
    overrides,
  });
  return await pack(out, `licence/${slugOf(holder)}-${version}.tar.zst`, manifest, []);
}

async function pack(
  out: string,
  target: string,
  draft: unknown,
  files: ArchiveFile[],
  companions: string[] = [],
): Promise<Built> {
  const parsed = packageManifest.safeParse(draft);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ReleaseError(`The manifest is not valid: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}.`);
  }
  const { manifest, bytes } = settled(parsed.data, files.length + 1, await sizesOf(files));
  const packed = await packArchive([...files, { path: MANIFEST_FILE, source: bytes, executable: false }], archiveOf(out, target));
  if (packed.unpackedBytes !== manifest.unpackedBytes || packed.fileCount !== manifest.fileCount)
    throw new ReleaseError(`The checkout changed while ${target} was packed. Build it again.`);
  return await noteBuilt(out, { target, bytes: packed.bytes, sha256: packed.sha256, manifest, companions });
}

/** The manifest with the counts of the whole archive, itself included. */
function settled(draft: PackageManifest, fileCount: number, othersBytes: number): { manifest: PackageManifest; bytes: Buffer } {
  let manifest = { ...draft, fileCount };
  for (let round = 0; round < MANIFEST_ROUNDS_LIMIT; round++) {
    const bytes = Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`);
    const unpackedBytes = othersBytes + bytes.length;
    if (unpackedBytes === manifest.unpackedBytes) return { manifest, bytes };
    manifest = { ...manifest, unpackedBytes };
  }
  throw new Error('bug: the length of the manifest does not settle');
}

async function sizesOf(files: ArchiveFile[]): Promise<number> {
  let sum = 0;
  for (const { source } of files) sum += typeof source === 'string' ? (await stat(source)).size : source.length;
  return sum;
}

/** Dependencies and web interface of the checkout, made by its own scripts when they are missing or old. */
async function prepare(source: string): Promise<void> {
  if (!existsSync(join(source, 'package-lock.json')))
    throw new ReleaseError(`${source} is no checkout: --source DIR names its root.`);
  const scripts = (await import(pathToFileURL(join(source, 'tools', 'entry', 'install.mjs')).href)) as {
    ensureInstalled(what: { web: boolean }): Promise<void>;
  };
  await scripts.ensureInstalled({ web: true });
}

/** Letters and digits of a holder's name, for the target's name. */
function slugOf(holder: string): string {
  const slug = holder
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40);
  return slug === '' ? 'holder' : slug;
}
