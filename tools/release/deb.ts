/** `bascule-appliance_VERSION_ARCHITECTURE.deb`: boot with its Node, the helper, units, options, and the seed (docs/operator/installing.md). */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { contentsOf, type Contents } from './contents.mjs';
import { controlText, md5sumsText } from './deb-control.ts';
import { buildSeed, type BuiltSeed, type SeedVersions } from './deb-seed.ts';
import { signChecksum } from './deb-signature.ts';
import { revisionOf } from './manifest.mjs';
import { ReleaseError } from './release-error.ts';

const run = promisify(execFile);
/** Nine is 3 s and 81 MB, the greatest a minute and 79 MB: nearly all of it is packed already. */
const COMPRESSION_LEVEL = 9;
const BUILD_LIMIT_MS = 10 * 60_000;
const LIBRARY = 'usr/lib/bascule';
/** Debian's names of what Node calls its architectures. */
const ARCHITECTURES: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };
/** What the package says of itself on the machine. */
const DOCUMENTS = ['docs/operator/installing.md', 'docs/spec/boot.md'];

export interface DebOptions {
  version: string;
  /** The checkout that boot, units and scripts are taken from; absolute. */
  source: string;
  /** A published repository, absolute: base, site and their runtimes are taken from it. */
  repository: string;
  versions: SeedVersions;
  /** Gets the package, its checksum and the signature of that; absolute. */
  out: string;
  /** Folders with `deb.pem`; the first one gets it when `makesKey`. */
  keys: string[];
  makesKey: boolean;
  compressionLevel?: number;
}

export interface BuiltDeb {
  file: string;
  sha256: string;
  bytes: number;
  seed: BuiltSeed;
  publicKeyFile: string;
}

/** Builds and signs the package. The same commit and repository give the same bytes. Throws ReleaseError. */
export async function buildDeb(options: DebOptions): Promise<BuiltDeb> {
  const architecture = ARCHITECTURES[process.arch];
  if (architecture === undefined) throw new ReleaseError(`There is no Node 26 of ours for ${process.arch}.`);
  if (!existsSync(join(options.source, 'packaging'))) throw new ReleaseError(`${options.source} has no folder packaging.`);
  const tree = await mkdtemp(join(tmpdir(), 'bascule-deb-'));
  try {
    await chmod(tree, 0o755);
    const seed = await fillTree(tree, options);
    await writeControl(tree, options, architecture, seed);
    const file = join(options.out, `bascule-appliance_${options.version}_${architecture}.deb`);
    await mkdir(options.out, { recursive: true });
    await pack(tree, file, options);
    const signed = await signChecksum(file, options);
    return { file, seed, ...signed };
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

async function fillTree(tree: string, { source, repository, versions, version }: DebOptions): Promise<BuiltSeed> {
  const packaging = join(source, 'packaging', 'root');
  for (const entry of readdirSync(packaging, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = relative(packaging, join(entry.parentPath, entry.name));
    await put(join(tree, path), { file: join(packaging, path) }, isProgram(path));
  }
  const library = join(tree, LIBRARY);
  const boot = join(library, 'boot');
  await copyContents(contentsOf(source, 'installed-boot'), boot, version);
  await put(join(boot, 'bin', 'node'), { file: nodeOf(source) }, true);
  const seed = await buildSeed(repository, join(library, 'seed'), versions);
  await copyContents(contentsOf(source, 'seeder'), join(library, 'seed', 'program'), version);
  const documents = join(tree, 'usr', 'share', 'doc', 'bascule-appliance');
  for (const name of DOCUMENTS) await put(join(documents, basename(name)), { file: join(source, name) }, false);
  await put(join(documents, 'copyright'), { file: join(source, 'LICENSE') }, false);
  return seed;
}

/** By its place, not by what a clone made of its mode. */
function isProgram(path: string): boolean {
  return (
    [`${LIBRARY}/start`, `${LIBRARY}/container`].includes(path) || /^usr\/(sbin|lib\/systemd\/system-generators)\//.test(path)
  );
}

/** The Node that npm installed for this machine. */
function nodeOf(source: string): string {
  const node = join(source, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
  if (!existsSync(node)) throw new ReleaseError(`${node} is missing: run npm ci in ${source}.`);
  return node;
}

async function copyContents({ files, workspaces }: Contents, target: string, version: string): Promise<void> {
  for (const { path, source, executable } of files) await put(join(target, path), { file: source }, executable);
  const about = { name: 'bascule', version, private: true, type: 'module' };
  await put(join(target, 'package.json'), { text: `${JSON.stringify(about)}\n` }, false);
  await mkdir(join(target, 'node_modules', '@bascule'), { recursive: true });
  for (const [name, folder] of Object.entries(workspaces))
    await symlink(join('..', '..', folder), join(target, 'node_modules', name));
}

async function put(file: string, content: { file: string } | { text: string }, executable: boolean): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o755 });
  if ('file' in content) await copyFile(content.file, file);
  else await writeFile(file, content.text);
  await chmod(file, executable ? 0o755 : 0o644);
}

async function writeControl(tree: string, options: DebOptions, architecture: string, seed: BuiltSeed): Promise<void> {
  const { source, version } = options;
  const control = join(tree, 'DEBIAN');
  await mkdir(control, { mode: 0o755 });
  const { text: md5sums, installedKib } = md5sumsText(tree);
  await put(join(control, 'md5sums'), { text: md5sums }, false);
  await put(
    join(control, 'control'),
    { text: controlText({ version, architecture, installedKib, revision: revisionOf(source).revision, seed }) },
    false,
  );
  for (const name of ['conffiles', 'postinst', 'prerm', 'postrm'])
    await put(join(control, name), { file: join(source, 'packaging', 'debian', name) }, name !== 'conffiles');
}

async function pack(tree: string, file: string, { source, compressionLevel = COMPRESSION_LEVEL }: DebOptions): Promise<void> {
  // A closed umask makes folders that nobody else could enter.
  await run('chmod', ['-R', 'a+rX,u+w,go-w', tree]);
  const args = ['--root-owner-group', '-Zzstd', `-z${compressionLevel}`, '--threads-max=1', '--build', tree, file];
  const epochS = Math.floor(revisionOf(source).releasedAtMs / 1000);
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(epochS), LC_ALL: 'C.UTF-8' };
  await run('dpkg-deb', args, { timeout: BUILD_LIMIT_MS, env }).catch((error: NodeJS.ErrnoException & { stderr?: string }) => {
    if (error.code === 'ENOENT') throw new ReleaseError('dpkg-deb is missing: build the package on a Debian (apt install dpkg).');
    throw new ReleaseError(`dpkg-deb refuses: ${(error.stderr ?? error.message).trim()}`);
  });
}
