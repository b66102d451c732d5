/**
 * The first start copies the checkout into the data directory as a version of base and of the site, boot apart from them, and Node 26 as a runtime; later
 * starts follow the pointers. Programs then run from the copy: the site's user may be unable to read the checkout, and a pull or an `npm ci` under a running
 * appliance changes nothing.
 *
 * As root: base, site and runtimes belong to the service user, whose updates replace them; what root runs (boot, helper, the local Jump Client and their
 * Node) lies in software/boot and stays root's. Everything is made in software/.staging, which is root's too, and moved to its place when it is whole and on
 * disk: root never writes into a folder of the service user's, where a link could wait for it.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { dirname, join, relative } from 'node:path';
import { contentsOf } from '../release/contents.mjs';
import { manifestOf, sourceFactsOf } from '../release/manifest.mjs';
import { checkout, isRoot, runtime, runtimePackage } from './checkout.mjs';
import { SERVICE_USER } from './home.mjs';
import { hashOf, sources } from './install.mjs';
import { Stop, say } from './say.mjs';

/** Base and site are updated by packages, boot only by `--restage` or an operating system's package. */
const UPDATED = /** @type {const} */ (['base', 'site']);
const MANIFEST = 'bascule-package.json';

/**
 * Stages what is missing and returns where the programs are.
 * @param {string} home the data directory  @param {boolean} restage take the checkout even when another version is staged
 * @returns {{ runtime: string, boot: string, base: string, site: string, version: string, software: string }} absolute paths: the site's Node binary, the
 * folders of the versions in use (boot's has bin/node, apps/boot and apps/jump-client), the version of base, and the folder of them all
 */
export function stage(home, restage) {
  const version = checkoutVersion();
  const stager = new Stager(join(home, 'software'), version, restage);
  try {
    const { boot, base, site } = stager.stage();
    if (base !== version && !restage)
      say(`Running the staged version ${base}; this checkout is ${version}. To run the checkout: npm start -- --restage`);
    const software = join(home, 'software');
    const siteFolder = join(software, 'site', site);
    return {
      runtime: realpathSync(join(siteFolder, 'runtime', 'bin', 'node')),
      boot: join(software, 'boot', boot),
      base: join(software, 'base', base),
      site: siteFolder,
      version: base,
      software,
    };
  } catch (error) {
    if (error.code === 'ENOSPC')
      throw new Stop(`No space left below ${home}: free about 500 MB, then start again. Nothing was changed.`, 73);
    if (error.code === 'EACCES' || error.code === 'EROFS' || error.code === 'EPERM')
      throw new Stop(`${home} cannot be written: choose another place with --home DIR.`, 73);
    throw error;
  }
}

/** The package version and a hash over all that would be staged. */
function checkoutVersion() {
  const folders = [
    'apps/boot',
    'apps/base',
    'apps/site',
    'apps/jump-client',
    'apps/jumpoint',
    'apps/console',
    'packages',
    'apps/web/dist',
    'tools/verify',
  ];
  const files = folders.flatMap((folder) =>
    folder === 'apps/web/dist' ? built(join(checkout, folder)) : sources([join(checkout, folder)]),
  );
  return `${packageVersion()}-${hashOf([...files, join(checkout, 'package-lock.json')]).slice(0, 12)}`;
}

/** @returns {string} */
function packageVersion() {
  return JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')).version;
}

/** @param {string} directory  @returns {string[]} */
function built(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== '.built')
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

class Stager {
  #software;
  #version;
  #restage;
  #work;
  /** Folders that are whole in #work and wait for their place. @type {{ from: string, to: string }[]} */
  #whole = [];
  /** @type {ReturnType<typeof sourceFactsOf> | undefined} */
  #facts;

  /** @param {string} software  @param {string} version  @param {boolean} restage */
  constructor(software, version, restage) {
    this.#software = software;
    this.#version = version;
    this.#restage = restage;
    this.#work = join(software, '.staging');
  }

  /** @returns {{ boot: string, base: string, site: string }} names of the folders in use */
  stage() {
    if (isRoot && existsSync(this.#software)) chownSync(this.#software, 0, 0);
    rmSync(this.#work, { recursive: true, force: true });
    const kinds = /** @type {const} */ (['boot', 'base', 'site']);
    const used = { boot: this.#inUse('boot'), base: this.#inUse('base'), site: this.#inUse('site') };
    const incomplete = UPDATED.filter((kind) => used[kind] && !this.#isComplete(kind, /** @type {string} */ (used[kind])));
    if (kinds.some((kind) => !used[kind]) || incomplete.length > 0) {
      mkdirSync(this.#work, { recursive: true, mode: 0o755 });
      const runtimeFolder = this.#makeRuntime();
      for (const kind of kinds) if (!used[kind]) this.#makeVersion(kind, runtimeFolder);
      for (const kind of incomplete) this.#complete(kind, /** @type {string} */ (used[kind]), runtimeFolder);
      this.#putInPlace();
      for (const kind of kinds) if (!used[kind]) this.#point(kind);
      rmSync(this.#work, { recursive: true, force: true });
    }
    if (isRoot) this.#giveToService();
    return { boot: used.boot ?? this.#version, base: used.base ?? this.#version, site: used.site ?? this.#version };
  }

  /** The folder that the pointer names, if it is there and is to stay. @param {'boot' | 'base' | 'site'} kind */
  #inUse(kind) {
    if (this.#restage) return undefined;
    const pointer = join(this.#software, kind, 'current');
    if (!existsSync(join(pointer, 'package.json'))) return undefined;
    const folder = readlinkSync(pointer);
    // Staged by a start as somebody else: root runs its own copy.
    if (kind === 'boot' && isRoot && !this.#isRootsBoot(folder)) return undefined;
    // The pointer belongs to the service user: it names a neighbour, and leads nowhere else.
    return /^[A-Za-z0-9][A-Za-z0-9.+-]*$/.test(folder) ? folder : undefined;
  }

  /** @param {string} folder */
  #isRootsBoot(folder) {
    const boot = join(this.#software, 'boot');
    if ([boot, join(boot, folder)].every((path) => lstatSync(path).uid === 0)) return true;
    rmSync(boot, { recursive: true, force: true });
    return false;
  }

  /** @param {string} kind  @param {string} folder */
  #isComplete(kind, folder) {
    return existsSync(join(this.#software, kind, folder, MANIFEST)) && existsSync(join(this.#software, kind, folder, 'runtime'));
  }

  /** @returns {{ name: string, sha256: string }} */
  #makeRuntime() {
    const { name, sha256 } = stagedRuntime();
    const place = join(this.#software, 'runtimes', name);
    if (!existsSync(place)) {
      const made = this.#begin('runtime', place);
      mkdirSync(join(made, 'bin'));
      copyFileSync(runtime, join(made, 'bin', 'node'), constants.COPYFILE_FICLONE);
    }
    return { name, sha256 };
  }

  /** @param {'boot' | 'base' | 'site'} kind  @param {{ name: string, sha256: string }} runtimeFolder */
  #makeVersion(kind, runtimeFolder) {
    const place = join(this.#software, kind, this.#version);
    if (existsSync(place)) return;
    const folder = this.#begin(kind, place);
    const contents = contentsOf(checkout, kind);
    copyContents(contents, folder);
    writeFileSync(
      join(folder, 'package.json'),
      `${JSON.stringify({ name: 'bascule', version: packageVersion(), private: true, type: 'module' })}\n`,
    );
    if (kind === 'boot') this.#addNode(folder, runtimeFolder.name);
    else this.#describe(kind, folder, runtimeFolder, contents);
  }

  /** boot's own Node: a copy, since the other one belongs to the service user; a link where both are ours. @param {string} folder @param {string} runtimeName */
  #addNode(folder, runtimeName) {
    mkdirSync(join(folder, 'bin'));
    const node = join(folder, 'bin', 'node');
    if (isRoot) return copyFileSync(runtime, node, constants.COPYFILE_FICLONE);
    const made = join(this.#work, 'runtime', 'bin', 'node');
    const other = existsSync(made) ? made : join(this.#software, 'runtimes', runtimeName, 'bin', 'node');
    try {
      linkSync(other, node);
    } catch {
      // A file system without hard links.
      copyFileSync(runtime, node, constants.COPYFILE_FICLONE);
    }
  }

  /**
   * The manifest and the link to the runtime.
   * @param {'base' | 'site'} kind  @param {string} folder  @param {{ name: string, sha256: string }} runtimeFolder  @param {import('../release/contents.mjs').Contents} contents
   */
  #describe(kind, folder, runtimeFolder, { files, workspaces }) {
    this.#facts ??= sourceFactsOf(runtime, checkout);
    const manifest = manifestOf({
      source: checkout,
      kind,
      version: packageVersion(),
      runtimeSha256: runtimeFolder.sha256,
      migrations: this.#facts.migrations[kind],
      oldestProtocol: this.#facts.oldestProtocol,
      workspaces,
      overrides: { fileCount: files.length, unpackedBytes: files.reduce((sum, file) => sum + lstatSync(file.source).size, 0) },
    });
    writeFileSync(join(folder, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o644 });
    symlinkSync(join('..', '..', 'runtimes', runtimeFolder.name), join(folder, 'runtime'));
  }

  /**
   * A version that was staged before there were manifests gets its own, once, while it is still the starter's.
   * @param {'base' | 'site'} kind  @param {string} folder  @param {{ name: string, sha256: string }} runtimeFolder
   */
  #complete(kind, folder, runtimeFolder) {
    const place = join(this.#software, kind, folder);
    if (isRoot && lstatSync(dirname(place)).uid === serviceIds()?.uid)
      throw new Stop(
        `${place} is incomplete (${MANIFEST} or its runtime is missing). Stage this checkout anew: npm start -- --restage`,
        73,
      );
    const made = join(this.#work, `${kind}-completed`);
    mkdirSync(made);
    this.#describe(kind, made, runtimeFolder, contentsOf(checkout, kind));
    rmSync(join(place, 'runtime'), { force: true });
    for (const name of [MANIFEST, 'runtime']) this.#whole.push({ from: join(made, name), to: join(place, name) });
  }

  /** A new folder in the work folder, for that place. @param {string} name  @param {string} place */
  #begin(name, place) {
    const folder = join(this.#work, name);
    mkdirSync(folder, { mode: 0o755 });
    this.#whole.push({ from: folder, to: place });
    return folder;
  }

  /** Owners and modes, then to disk, then the renames: after a power cut a folder is whole or not there. */
  #putInPlace() {
    // A checkout that was cloned under a closed umask: the service user reads the copy.
    if (isRoot) spawnSync('chmod', ['-R', 'a+rX,go-w', this.#work]);
    const service = isRoot ? serviceIds() : undefined;
    for (const { from, to } of this.#whole) {
      if (service && !to.startsWith(join(this.#software, 'boot'))) own(from, service);
    }
    syncTree(this.#work);
    for (const { from, to } of this.#whole) {
      mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
      renameSync(from, to);
      syncFolder(dirname(to));
    }
  }

  /** @param {string} kind */
  #point(kind) {
    const next = join(this.#work, `${kind}.current`);
    symlinkSync(this.#version, next);
    renameSync(next, join(this.#software, kind, 'current'));
    syncFolder(join(this.#software, kind));
    syncFolder(this.#software);
  }

  /** Homes whose software is still root's: of the first start, or of a release that kept it so. */
  #giveToService() {
    const service = serviceIds();
    if (!service) return;
    for (const name of [...UPDATED, 'runtimes']) {
      const folder = join(this.#software, name);
      if (lstatSync(folder).uid !== service.uid) own(folder, service);
    }
  }
}

/**
 * The runtime's folder. When the archive that releases make of this very Node is known (tools/release/runtimes.json), it has that archive's name, so that an
 * update with the same Node fetches none.
 * @returns {{ name: string, sha256: string }}
 */
function stagedRuntime() {
  const lock = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8'));
  const integrity = lock.packages[relative(checkout, runtimePackage)].integrity;
  const known = JSON.parse(readFileSync(join(checkout, 'tools', 'release', 'runtimes.json'), 'utf8'));
  const sha256 = known[integrity] ?? createHash('sha256').update(integrity).digest('hex');
  return { name: sha256.slice(0, 16), sha256 };
}

/** @param {import('../release/contents.mjs').Contents} contents  @param {string} target */
function copyContents({ files, workspaces }, target) {
  const made = new Set();
  for (const { path, source, executable } of files) {
    const file = join(target, path);
    if (!made.has(dirname(file))) mkdirSync(dirname(file), { recursive: true });
    made.add(dirname(file));
    copyFileSync(source, file, constants.COPYFILE_FICLONE);
    chmodSync(file, executable ? 0o755 : 0o644);
  }
  mkdirSync(join(target, 'node_modules', '@bascule'), { recursive: true });
  for (const [name, folder] of Object.entries(workspaces))
    symlinkSync(join('..', '..', folder), join(target, 'node_modules', name));
}

/** @param {string} path  @param {{ uid: number, gid: number }} service */
function own(path, service) {
  const run = spawnSync('chown', ['-R', '--no-dereference', `${service.uid}:${service.gid}`, path], { encoding: 'utf8' });
  if (run.status !== 0) throw new Stop(`${path} cannot be given to the user '${SERVICE_USER}': ${(run.stderr || '').trim()}`, 73);
}

function serviceIds() {
  const fields = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((text) => text.startsWith(`${SERVICE_USER}:`))
    ?.split(':');
  return fields ? { uid: Number(fields[2]), gid: Number(fields[3]) } : undefined;
}

/** Everything below to disk: one call for the file system where coreutils has it, else file by file. @param {string} folder */
function syncTree(folder) {
  if (spawnSync('sync', ['--file-system', folder]).status === 0) return;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) syncFolder(join(entry.parentPath, entry.name));
  }
}

/** fsync of a file or folder. @param {string} path */
function syncFolder(path) {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
