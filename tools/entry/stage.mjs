/**
 * The first start copies the checkout into the data directory as a version of base and of the site, and Node 26 as a runtime; later
 * starts follow the pointers. Programs then run from the copy: the site's user may be unable to read the checkout, and a pull or an
 * `npm ci` under a running appliance changes nothing.
 */
import {
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { checkout, isRoot, runtime, runtimePackage } from './checkout.mjs';
import { hashOf, sources } from './install.mjs';
import { Stop, say } from './say.mjs';

/** What each kind of software consists of, besides the packages and their dependencies. */
const PARTS = {
  base: { apps: ['boot', 'base'], files: ['apps/web/dist/appliance'] },
  site: { apps: ['site', 'jump-client'], files: ['apps/web/dist/site', 'tools/verify'] },
};

/**
 * Stages what is missing and returns where the programs are.
 * @param {string} home the data directory  @param {boolean} restage take the checkout even when another version is staged
 * @returns {{ runtime: string, base: string, site: string, version: string }} absolute paths of the Node binary and the version folders
 */
export function stage(home, restage) {
  const version = checkoutVersion();
  const software = join(home, 'software');
  try {
    const staged = stageRuntime(software);
    const folders = Object.fromEntries(
      Object.entries(PARTS).map(([kind, parts]) => [kind, stageKind(join(software, kind), version, parts, restage)]),
    );
    const used = basename(/** @type {string} */ (folders['base']));
    if (used !== version && !restage)
      say(`Running the staged version ${used}; this checkout is ${version}. To run the checkout: npm start -- --restage`);
    return {
      runtime: staged,
      base: /** @type {string} */ (folders['base']),
      site: /** @type {string} */ (folders['site']),
      version: used,
    };
  } catch (error) {
    if (error.code === 'ENOSPC')
      throw new Stop(`No space left below ${home}: free about 400 MB, then start again. Nothing was changed.`, 73);
    if (error.code === 'EACCES' || error.code === 'EROFS' || error.code === 'EPERM')
      throw new Stop(`${home} cannot be written: choose another place with --home DIR.`, 73);
    throw error;
  }
}

/** The package version and a hash over all that would be staged. */
function checkoutVersion() {
  const folders = ['apps/boot', 'apps/base', 'apps/site', 'apps/jump-client', 'packages', 'apps/web/dist', 'tools/verify'];
  const files = folders.flatMap((folder) =>
    folder === 'apps/web/dist' ? built(join(checkout, folder)) : sources([join(checkout, folder)]),
  );
  const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
  return `${version}-${hashOf([...files, join(checkout, 'package-lock.json')]).slice(0, 12)}`;
}

/** @param {string} directory  @returns {string[]} */
function built(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== '.built')
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** @param {string} software */
function stageRuntime(software) {
  const lock = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8'));
  const integrity = lock.packages[relative(checkout, runtimePackage)].integrity;
  const folder = join(software, 'runtimes', createHash('sha256').update(integrity).digest('hex').slice(0, 16));
  whole(folder, (partial) => {
    mkdirSync(join(partial, 'bin'), { recursive: true });
    copyFileSync(runtime, join(partial, 'bin', 'node'));
  });
  return join(folder, 'bin', 'node');
}

/**
 * @param {string} folder of the kind  @param {string} version  @param {{apps: string[], files: string[]}} parts  @param {boolean} restage
 * @returns {string} the folder of the version in use
 */
function stageKind(folder, version, parts, restage) {
  const pointer = join(folder, 'current');
  if (!restage && existsSync(join(pointer, 'package.json'))) return join(folder, readlinkSync(pointer));
  whole(join(folder, version), (partial) => copyVersion(partial, parts));
  const next = `${pointer}.next`;
  rmSync(next, { force: true });
  symlinkSync(version, next);
  renameSync(next, pointer);
  return join(folder, version);
}

/** Makes `folder` by `fill`, whole or not at all. @param {string} folder  @param {(partial: string) => void} fill */
function whole(folder, fill) {
  if (existsSync(folder)) return;
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true, mode: 0o755 });
  fill(partial);
  // A checkout that was cloned under a closed umask: the service user reads the copy.
  if (isRoot) spawnSync('chmod', ['-R', 'a+rX', partial]);
  renameSync(partial, folder);
}

/** @param {string} target  @param {{apps: string[], files: string[]}} parts */
function copyVersion(target, parts) {
  copyFileSync(join(checkout, 'package.json'), join(target, 'package.json'));
  for (const app of parts.apps) copyTree(join('apps', app), target);
  copyTree('packages', target);
  for (const file of parts.files) copyTree(file, target);
  for (const path of dependencies()) {
    if (lstatSync(join(checkout, path)).isSymbolicLink()) {
      // a workspace: the relative link points at the copied package, which keeps our .ts files outside node_modules
      mkdirSync(dirname(join(target, path)), { recursive: true });
      symlinkSync(readlinkSync(join(checkout, path)), join(target, path));
    } else copyTree(path, target);
  }
}

/** Everything the lock file calls needed in production, except Node itself. @returns {string[]} paths such as node_modules/ws */
function dependencies() {
  const lock = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8'));
  return Object.entries(lock.packages)
    .filter(
      ([path, entry]) => path.includes('node_modules/') && !entry.dev && !/^node_modules\/node-(linux|win|darwin)/.test(path),
    )
    .map(([path]) => path)
    .filter((path) => existsSync(join(checkout, path)) && !path.slice('node_modules/'.length).includes('/node_modules/'));
}

/** @param {string} path relative to the checkout  @param {string} target */
function copyTree(path, target) {
  cpSync(join(checkout, path), join(target, path), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.endsWith('.test.ts') && (path.startsWith('node_modules') || basename(source) !== 'node_modules'),
  });
}
