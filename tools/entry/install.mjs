/**
 * Installs what a script needs before it runs: dependencies from the lock file (Node 26 among them), libatomic1 for Node 26, and the
 * built web interface. Plain JavaScript for Node 20 without dependencies, because it runs before there are any.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { checkout, isRoot, runtime } from './checkout.mjs';
import { Stop, say } from './say.mjs';

const OLDEST_NODE_MAJOR = 20;
/** How long one script waits for another that is installing in the same checkout. */
const INSTALL_WAIT_LIMIT_MS = 600_000;
const APT_LOCK_WAIT_SECONDS = 300;

const stampFile = join(checkout, 'node_modules', '.bascule-installed');
const lockDirectory = join(checkout, '.installing');

/**
 * Makes sure that dependencies are installed as the lock file says; cheap when they are.
 * @param {{ web?: boolean }} [needs] `web`: the built web interface too
 */
export async function ensureInstalled(needs = {}) {
  checkPlatform();
  const wanted = hashOf([join(checkout, 'package-lock.json')]);
  if (read(stampFile) !== wanted || !existsSync(runtime)) {
    await underInstallLock(() => {
      if (read(stampFile) !== wanted || !existsSync(runtime)) installDependencies(wanted);
    });
  }
  ensureRuntimeStarts();
  if (needs.web) await ensureWebBuilt();
}

function checkPlatform() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < OLDEST_NODE_MAJOR)
    throw new Stop(`Node ${process.versions.node} is too old: install Node ${OLDEST_NODE_MAJOR} or later.`, 69);
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new Stop(`Bascule runs on Linux x64 and arm64; this is ${process.platform} ${process.arch}.`, 69);
  }
}

/** @param {() => void | Promise<void>} work */
async function underInstallLock(work) {
  const giveUpAt = Date.now() + INSTALL_WAIT_LIMIT_MS;
  let told = false;
  while (!tryLock()) {
    if (Date.now() > giveUpAt)
      throw new Stop(`Another script has been installing for ten minutes; if none runs, remove ${lockDirectory}.`);
    if (!told) say('Another script is installing in this checkout; waiting for it.');
    told = true;
    await delay(300);
  }
  try {
    await work();
  } finally {
    rmSync(lockDirectory, { recursive: true, force: true });
  }
}

function tryLock() {
  try {
    mkdirSync(lockDirectory);
  } catch (error) {
    if (error.code === 'EEXIST') {
      const owner = Number(read(join(lockDirectory, 'pid')));
      const abandoned =
        owner > 0 ? !isAlive(owner) : Date.now() - statSync(lockDirectory, { throwIfNoEntry: false })?.mtimeMs > 5000;
      if (abandoned) rmSync(lockDirectory, { recursive: true, force: true });
      return false;
    }
    throw new Stop(
      `This checkout cannot be written (${error.code} on ${checkout}): run the command as the user who owns it.`,
      73,
    );
  }
  writeFileSync(join(lockDirectory, 'pid'), String(process.pid));
  return true;
}

/** @param {string} wanted the lock file's hash, stamped only on success so that a cut installation repeats */
function installDependencies(wanted) {
  say('Installing dependencies (once; later starts skip this) ...');
  rmSync(stampFile, { force: true });
  const npm = npmCommand();
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error', ...cacheArgument()];
  const run = spawnSync(npm.command, [...npm.args, ...args], {
    cwd: checkout,
    encoding: 'utf8',
    env: npmEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (run.error) throw new Stop(`npm cannot be started (${run.error.message}): install npm 11.`, 69);
  if (run.status !== 0) throw new Stop(explainNpm(`${run.stdout}\n${run.stderr}`), 69);
  if (!existsSync(runtime)) {
    throw new Stop(
      `npm left out Node 26 (node-linux-${process.arch}): remove 'omit', 'os' and 'cpu' from your npm settings, then run the command again.`,
      69,
    );
  }
  writeFileSync(stampFile, wanted);
}

function npmCommand() {
  const path = process.env['npm_execpath'];
  return path?.endsWith('.js') && existsSync(path) ? { command: process.execPath, args: [path] } : { command: 'npm', args: [] };
}

/** npm hands its settings to scripts as variables; those of the outer command (a prefix, a workspace, omit) are not meant for this one. */
function npmEnvironment() {
  const kept =
    /^npm_config_(https?_?proxy|proxy|noproxy|registry|cache|userconfig|globalconfig|cafile|ca|strict_ssl|offline|prefer_offline|nodedir)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) || kept.test(name)));
}

/** A read-only home must not stop the installation: npm's cache then lives in the temporary directory. */
function cacheArgument() {
  const cache = process.env['npm_config_cache'] ?? join(homedir(), '.npm');
  for (let path = cache; ; path = join(path, '..')) {
    if (!existsSync(path)) continue;
    try {
      accessSync(path, constants.W_OK);
      return [];
    } catch {
      const instead = join(tmpdir(), `bascule-npm-cache-${process.getuid?.() ?? 0}`);
      say(`npm's cache ${cache} cannot be written; using ${instead}.`);
      return [`--cache=${instead}`];
    }
  }
}

/** @param {string} output of npm  @returns {string} one sentence */
export function explainNpm(output) {
  const proxy =
    process.env['HTTPS_PROXY'] ??
    process.env['https_proxy'] ??
    process.env['npm_config_https_proxy'] ??
    process.env['npm_config_proxy'];
  if (/ENOTCACHED|only-if-cached/.test(output))
    return "npm is set to work offline and its cache lacks a package: go online once, or copy a filled cache (npm's 'cache' setting).";
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ECONNRESET|EHOSTUNREACH|ERR_SOCKET_TIMEOUT/.test(output)) {
    return proxy
      ? `npm cannot reach its registry through the proxy in your settings: check the proxy, then run the command again.`
      : `npm cannot reach its registry: go online, or set HTTPS_PROXY if this network needs a proxy, then run the command again.`;
  }
  if (/\b407\b|EPROXY/.test(output))
    return 'The proxy wants a login: put it into HTTPS_PROXY (http://user:password@host:port), then run the command again.';
  if (/SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|CERT_/.test(output))
    return "npm does not trust the registry's certificate (a proxy that opens TLS?): set npm's 'cafile' to your authority, then run the command again.";
  if (/ENOSPC/.test(output)) return `The disk is full: free about 600 MB for ${checkout} and run the command again.`;
  if (/EROFS|EACCES|EPERM/.test(output))
    return `npm cannot write to ${checkout} or its cache: run the command as the user who owns them.`;
  if (/EUSAGE|lock file/i.test(output))
    return 'package.json and package-lock.json do not fit each other: take both from the same commit.';
  const last = output
    .split('\n')
    .filter((text) => text.trim() && !/complete log/i.test(text))
    .slice(-3)
    .join(' / ');
  return `npm ci failed: ${last || 'no output'}.`;
}

/** Node 26 links libatomic, which a small Debian lacks. */
function ensureRuntimeStarts() {
  const first = spawnSync(runtime, ['--version'], { encoding: 'utf8' });
  if (first.status === 0) return;
  if (!/libatomic/.test(first.stderr ?? ''))
    throw new Stop(`Node 26 does not start here: ${(first.stderr || first.error?.message || '').trim()}`, 69);
  if (!isRoot)
    throw new Stop('Node 26 needs libatomic1. Run this, then the command again:  sudo apt-get install -y libatomic1', 69);
  say('Installing libatomic1, which Node 26 needs ...');
  aptInstall(['libatomic1']);
}

/**
 * Installs Debian packages without questions, waits for apt's lock, and keeps their services from starting. Root only.
 * @param {string[]} packages
 */
export function aptInstall(packages) {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };
  const apt = (/** @type {string[]} */ args) =>
    spawnSync('apt-get', ['-o', `DPkg::Lock::Timeout=${APT_LOCK_WAIT_SECONDS}`, '-q', ...args], {
      env: environment,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 * 1024 * 1024,
    });
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const install = () => apt(['install', '-y', '--no-install-recommends', ...packages]);
    if (install().status === 0) return;
    apt(['update']);
    const second = install();
    if (second.status !== 0)
      throw new Stop(
        `apt-get could not install ${packages.join(' ')}: ${(second.stderr ?? '').trim().split('\n').slice(-2).join(' / ')}`,
        69,
      );
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}

/** Builds the web interface when its sources changed. */
async function ensureWebBuilt() {
  const stamp = join(checkout, 'apps', 'web', 'dist', '.built');
  const wanted = hashOf(
    sources([join(checkout, 'apps', 'web'), join(checkout, 'packages')]).concat(join(checkout, 'package-lock.json')),
  );
  if (read(stamp) === wanted) return;
  await underInstallLock(() => {
    if (read(stamp) === wanted) return;
    say('Building the web interface ...');
    // A copy of this checkout may share the file: a new one is written, and none is left when the build fails.
    rmSync(stamp, { force: true });
    const run = spawnSync(runtime, [join(checkout, 'apps', 'web', 'build', 'build.ts')], {
      cwd: join(checkout, 'apps', 'web'),
      encoding: 'utf8',
    });
    if (run.status !== 0) throw new Stop(`The web interface could not be built:\n${run.stdout}${run.stderr}`);
    writeFileSync(stamp, wanted);
  });
}

/** @param {string[]} directories  @returns {string[]} every source file below them, sorted */
export function sources(directories) {
  const found = [];
  for (const directory of directories) {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (entry.isDirectory() && !['node_modules', 'dist'].includes(entry.name)) found.push(...sources([path]));
      else if (entry.isFile() && !entry.name.endsWith('.test.ts')) found.push(path);
    }
  }
  return found.sort();
}

/** @param {string[]} files  @returns {string} SHA-256 over their names and contents, hex */
export function hashOf(files) {
  const hash = createHash('sha256');
  for (const file of files) {
    const content = readFileSync(file);
    hash.update(`${file.slice(checkout.length)}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
