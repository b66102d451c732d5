/** Makes the data directory ready: who owns what, and whether there is room. */
import { spawnSync } from 'node:child_process';
import { accessSync, chmodSync, chownSync, constants, existsSync, mkdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isRoot } from './checkout.mjs';
import { Stop, say } from './say.mjs';

/** The user that base and site run as when root starts the appliance. */
export const SERVICE_USER = 'bascule';
const INSTALLED_HOME = '/var/lib/bascule';
/** A start needs room for the staged copies, the databases and the first recordings. */
const START_SPACE_BYTES = 768 * 1024 * 1024;

/**
 * Where the state lives. Root's checkout in a closed folder (/root) cannot hold it, because the service user could not get there.
 * @param {{ home: string, homeGiven: boolean }} options  @returns {string}
 */
export function chooseHome(options) {
  if (!isRoot) return options.home;
  const closed = closedAncestor(options.home);
  if (!closed) return options.home;
  if (options.homeGiven) {
    throw new Stop(
      `--home ${options.home}: the user '${SERVICE_USER}' cannot enter ${closed}. Choose a place outside, such as ${INSTALLED_HOME}.`,
      73,
    );
  }
  say(`The user '${SERVICE_USER}' cannot enter ${closed}, so the state lives in ${INSTALLED_HOME} (another place: --home DIR).`);
  return INSTALLED_HOME;
}

/** @param {string} path  @returns {string | undefined} the first folder on the way that others may not enter */
function closedAncestor(path) {
  const way = [];
  for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) way.unshift(folder);
  return way.find((folder) => existsSync(folder) && (statSync(folder).mode & 0o001) === 0);
}

/**
 * Makes the folders, and as root the service user and the owners. Changes nothing when there is no room.
 * @param {string} home
 */
export function prepareHome(home) {
  // A closed umask of root's would make folders that the service user cannot enter.
  if (isRoot) process.umask(0o022);
  checkSpace(home);
  try {
    mkdirSync(home, { recursive: true, mode: 0o755 });
    accessSync(home, constants.W_OK);
  } catch (error) {
    throw new Stop(`${home} cannot be written (${error.code}): choose another place with  npm start -- --home DIR`, 73);
  }
  const service = isRoot ? serviceUser() : undefined;
  for (const [folder, mode, ofService] of /** @type {[string, number, boolean][]} */ ([
    ['box', 0o700, true],
    ['site', 0o700, true],
    ['backups', 0o700, true],
    ['run', 0o755, false],
    ['run/control', 0o700, true],
    ['log', 0o700, false],
    ['client', 0o700, false],
    ['software', 0o755, false],
  ])) {
    const path = join(home, folder);
    if (!existsSync(path)) mkdirSync(path, { mode });
    // A start as root after starts as somebody else (or the other way round) must not leave what the service user cannot open.
    if (ofService && service) claim(path, service, mode);
  }
}

/** @param {string} path @param {{uid: number, gid: number}} service @param {number} mode */
function claim(path, service, mode) {
  chmodSync(path, mode);
  if (statSync(path).uid === service.uid) return;
  const run = spawnSync('chown', ['-R', '--no-dereference', `${service.uid}:${service.gid}`, path], { encoding: 'utf8' });
  if (run.status !== 0) chownSync(path, service.uid, service.gid);
}

/** @param {string} home */
function checkSpace(home) {
  let existing = home;
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize, blocks } = statfsSync(existing);
  if (blocks === 0)
    throw new Stop(
      `${home} cannot be written (${existing} holds no files of ours): choose another place with  npm start -- --home DIR`,
      73,
    );
  if (bavail * bsize < START_SPACE_BYTES && !existsSync(join(home, 'software', 'base', 'current'))) {
    throw new Stop(
      `Only ${Math.floor((bavail * bsize) / 1024 / 1024)} MB are free below ${existing}; a first start needs ${START_SPACE_BYTES / 1024 / 1024} MB. Free some, or choose another place with --home DIR. Nothing was changed.`,
      73,
    );
  }
}

/** Finds the service user, and makes it at the first start as root. */
function serviceUser() {
  const known = lookUp();
  if (known) return known;
  const run = spawnSync(
    'useradd',
    ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', SERVICE_USER],
    { encoding: 'utf8' },
  );
  const made = lookUp();
  if (!made)
    throw new Stop(`The user '${SERVICE_USER}' could not be made: ${(run.stderr || run.error?.message || '').trim()}`, 69);
  say(`Made the user '${SERVICE_USER}', as which base and site run.`);
  return made;
}

function lookUp() {
  const fields = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((text) => text.startsWith(`${SERVICE_USER}:`))
    ?.split(':');
  return fields ? { uid: Number(fields[2]), gid: Number(fields[3]) } : undefined;
}
