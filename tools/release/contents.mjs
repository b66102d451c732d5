/**
 * What each kind of software consists of: the same list for a released package and for the checkout that `npm start` stages. Plain JavaScript without
 * dependencies, since the first start reads it with the system's Node 20.
 */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The roots of each kind: programs whose imports say which packages come along, and files besides. `boot` is what root runs: boot and helper, and the
 * Jump Client of this machine.
 */
export const PARTS = {
  base: { apps: ['base'], files: ['apps/web/dist/appliance', 'LICENSE'] },
  site: { apps: ['site', 'jump-client', 'jumpoint', 'console'], files: ['apps/web/dist/site', 'tools/verify', 'LICENSE'] },
  boot: { apps: ['boot', 'jump-client'], files: [] },
  // The same of the Debian package: it never enrols itself, and brings the command line, `bascule-appliance`.
  'installed-boot': { apps: ['boot'], files: ['LICENSE'], script: 'tools/entry/appliance.mjs' },
  // What makes an appliance of the seed (apps/base/src/seed-main.ts), with all that it imports.
  seeder: { apps: ['base'], files: ['LICENSE'] },
};

/** @typedef {{ path: string, source: string, executable: boolean }} PackageFile path inside the package, `/` between its parts; file on disk */
/** @typedef {{ files: PackageFile[], workspaces: Record<string, string> }} Contents */
/** @typedef {{ dev?: boolean, optional?: boolean, link?: boolean, resolved?: string, dependencies?: Record<string, string>, optionalDependencies?: Record<string, string>, peerDependencies?: Record<string, string>, peerDependenciesMeta?: Record<string, { optional?: boolean }> }} LockEntry */

/**
 * Lists what belongs to a kind, sorted by path. The root's package.json is not among it: whoever packs writes it with the version.
 * @param {string} source the checkout  @param {keyof typeof PARTS} kind
 * @returns {Contents} `workspaces`: the links to make, name → folder
 */
export function contentsOf(source, kind) {
  const parts = PARTS[kind];
  const workspaces = reachedWorkspaces(
    source,
    parts.apps.map((app) => `apps/${app}`).filter((folder) => existsSync(join(source, folder, 'src', 'main.ts'))),
  );
  const files = [
    ...workspaces.flatMap((folder) => filesBelow(source, folder, isOurs)),
    ...parts.files.flatMap((path) => filesBelow(source, path, isOurs)),
    ...('script' in parts ? scriptsFrom(source, parts.script) : []),
    ...dependencyFolders(source, workspaces).flatMap((folder) =>
      filesBelow(source, folder, (path) => isNeededOfPackage(path) && !isInstallerOfEsbuild(folder, path)),
    ),
  ];
  const links = workspaces
    .filter((folder) => folder.startsWith('packages/'))
    .map((folder) => [`@bascule/${folder.slice('packages/'.length)}`, folder]);
  return { files: files.sort((one, other) => compare(one.path, other.path)), workspaces: Object.fromEntries(links) };
}

/**
 * An entry script and every one that it imports.
 * @param {string} source  @param {string} first  @returns {PackageFile[]}
 */
function scriptsFrom(source, first) {
  const found = new Set([first]);
  for (const path of found) {
    for (const [, name = ''] of readFileSync(join(source, path), 'utf8').matchAll(/from '(\.[^']+\.mjs)'/g))
      found.add(join(dirname(path), name));
  }
  return [...found].flatMap((path) => filesBelow(source, path, isOurs));
}

/** By bytes, whatever the language of the machine. @param {string} one  @param {string} other */
function compare(one, other) {
  return one < other ? -1 : one > other ? 1 : 0;
}

/**
 * The programs and every package of ours that their imports lead to, tests left out.
 * @param {string} source  @param {string[]} apps folders such as apps/base  @returns {string[]}
 */
function reachedWorkspaces(source, apps) {
  const reached = new Set(apps);
  for (const folder of reached) {
    for (const { source: file } of filesBelow(source, folder, isOurs)) {
      if (!/\.[cm]?tsx?$/.test(file)) continue;
      for (const [, name] of readFileSync(file, 'utf8').matchAll(/['"]@bascule\/([a-z-]+)\//g)) reached.add(`packages/${name}`);
    }
  }
  return [...reached].sort(compare);
}

/**
 * Where npm put what these workspaces need in production, nested packages included; runtimes are left out, they are archives of their own.
 * @param {string} source  @param {string[]} workspaces  @returns {string[]} such as node_modules/ws
 */
function dependencyFolders(source, workspaces) {
  /** @type {Record<string, LockEntry>} */
  const lock = JSON.parse(readFileSync(join(source, 'package-lock.json'), 'utf8')).packages;
  const found = new Set();
  const visit = (/** @type {string} */ from) => {
    for (const { name, optional } of needsOf(lock[from] ?? {})) {
      const folder = resolveIn(lock, from, name);
      const entry = folder === undefined ? undefined : lock[folder];
      if (folder === undefined || entry === undefined || !existsSync(join(source, folder))) {
        if (optional || entry?.optional) continue;
        throw new Error(`${name}, which ${from} needs, is not installed in ${source}: run npm ci there.`);
      }
      if (entry.link || found.has(folder) || /^node_modules\/node-(linux|win|darwin)/.test(folder)) continue;
      found.add(folder);
      visit(folder);
    }
  };
  for (const workspace of workspaces) visit(workspace);
  return [...found];
}

/** @param {LockEntry} entry */
function needsOf(entry) {
  const named = (/** @type {Record<string, string> | undefined} */ table, /** @type {boolean} */ optional) =>
    Object.keys(table ?? {}).map((name) => ({ name, optional }));
  const peers = Object.keys(entry.peerDependencies ?? {}).map((name) => ({
    name,
    optional: entry.peerDependenciesMeta?.[name]?.optional === true,
  }));
  return [...named(entry.dependencies, false), ...named(entry.optionalDependencies, true), ...peers];
}

/** As Node resolves: the nearest node_modules on the way up. @param {Record<string, LockEntry>} lock @param {string} from @param {string} name */
function resolveIn(lock, from, name) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')))) {
    const candidate = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (candidate in lock) return candidate;
    if (folder === '') return undefined;
  }
}

/** Ours: sources without their tests. @param {string} path */
function isOurs(path) {
  return !/(^|\/)(test|node_modules|\.[^/]*)(\/|$)|\.test\.ts$|(^|\/)testing\.ts$/.test(path);
}

/** Of a package from the registry: what may run, and its licence. @param {string} path below the package's folder */
function isNeededOfPackage(path) {
  if (/(^|\/)(licen[cs]e|copying|notice)[^/]*$/i.test(path)) return true;
  // Tests, documents and examples lie at the root of a package; deeper, a folder of that name may be code.
  if (/^(tests?|__tests__|docs?|examples?|benchmarks?|bench|integration)\//.test(path)) return false;
  if (/(^|\/)\./.test(path)) return false;
  return !/\.(map|md|markdown|[cm]?tsx?|flow|tsbuildinfo)$/i.test(path);
}

/**
 * esbuild's installation script replaces its command with a copy of the binary beside it, which is not the same on every machine; we call neither.
 * @param {string} folder  @param {string} path
 */
function isInstallerOfEsbuild(folder, path) {
  return folder === 'node_modules/esbuild' && (path.startsWith('bin/') || path === 'install.js');
}

/**
 * @param {string} source  @param {string} path file or folder below it  @param {(path: string) => boolean} keep judged by the path below `path`
 * @returns {PackageFile[]}
 */
function filesBelow(source, path, keep) {
  const root = join(source, path);
  if (statSync(root).isFile()) return [{ path, source: root, executable: isExecutable(root) }];
  /** @type {PackageFile[]} */
  const files = [];
  const walk = (/** @type {string} */ below) => {
    for (const entry of readdirSync(join(root, below), { withFileTypes: true })) {
      const next = below === '' ? entry.name : `${below}/${entry.name}`;
      // What is nested in a package is a dependency of its own.
      if (entry.isDirectory() && entry.name !== 'node_modules') walk(next);
      if (!entry.isFile() || !keep(next)) continue;
      const file = join(root, next);
      files.push({ path: `${path}/${next}`, source: file, executable: isExecutable(file) });
    }
  };
  walk('');
  return files;
}

/** Whether its owner may run it: the one bit that does not depend on the umask. @param {string} file */
function isExecutable(file) {
  return (statSync(file).mode & 0o100) !== 0;
}
