/**
 * The Debian package on a real Debian: verified as operators are told to, installed, started with the sockets that systemd would pass, upgraded, removed, purged.
 * systemd as process 1 does not run here: what is its part is done by its own program for sockets, and by this test.
 */
import assert from 'node:assert/strict';
import { spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, readFileSync, readlinkSync, statSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { must } from '@bascule/core/must.ts';
import { DebianRoot, prepareDebianRoot, whyNoDebianRoot } from '@bascule/testkit/debian-root.ts';
import { buildDebianPackage, installDebianPackage, INSTALLED_HOME } from '@bascule/testkit/installed-appliance.ts';
import { NEXT, NEXT_VERSION, ReleaseShop } from '@bascule/testkit/upgrade-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const LATER_VERSION = '0.3.0';
/** The longest on a busy machine. */
const LIMIT_MS = 300_000;
const ACTIVATE = '/usr/bin/systemd-socket-activate';
const START_LIMIT_MS = 120_000;
const CONTAINED_USER = '10001';

let problem = whyNoDebianRoot();
if (problem === undefined && !existsSync(ACTIVATE)) problem = 'systemd is not installed';
if (problem === undefined) {
  const made = await prepareDebianRoot();
  if ('problem' in made) problem = made.problem;
  else if (made.seconds > 0) process.stdout.write(`# the Debian root was made in ${made.seconds} s\n`);
}
const how = { skip: problem ?? false, timeout: LIMIT_MS };

let shop: ReleaseShop;
let deb: string;
let root: DebianRoot;

before(async () => {
  if (problem !== undefined) return;
  shop = await ReleaseShop.open();
  deb = await buildDebianPackage(shop, NEXT_VERSION);
  root = await DebianRoot.start({ ownNetwork: true });
});
after(async () => {
  await root?.[Symbol.asyncDispose]();
  shop?.[Symbol.dispose]();
});

test('a download is known to be genuine by the commands of the operator page', how, () => {
  const folder = dirname(deb);
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'operator', 'installing.md'), 'utf8');
  const commands = page
    .split('\n')
    .filter((line) => /^(sha256sum|openssl) /.test(line))
    .map((line) => line.replaceAll('1.2.3', NEXT_VERSION));
  assert.equal(commands.length, 2, 'the page has one command for the signature and one for the hash');
  const run = () => spawnSync('sh', ['-ec', commands.join('\n')], { cwd: folder, encoding: 'utf8' });
  const good = run();
  assert.equal(good.status, 0, good.stdout + good.stderr);
  const sums = `${deb}.sha256`;
  const sumsBytes = statSync(sums).size;
  const debBytes = statSync(deb).size;
  appendFileSync(sums, `${'0'.repeat(64)}  other.deb\n`);
  assert.notEqual(run().status, 0, 'sums that nobody signed');
  truncateSync(sums, sumsBytes);
  appendFileSync(deb, 'x');
  assert.notEqual(run().status, 0, 'another package than was signed');
  truncateSync(deb, debBytes);
});

/** boot as systemd starts it: with both sockets of the units, in the network of the root. */
function activate(root: DebianRoot): ChildProcess {
  const names = '--fdname=https:http';
  // The process number that systemd would give is known inside alone.
  const inside = [...root.entry, 'sh', '-c', 'LISTEN_PID=$$ BASCULE_NAME=localhost exec /usr/lib/bascule/start'];
  return root.spawnOutside([ACTIVATE, '-l', '0.0.0.0:443', '-l', '0.0.0.0:80', names, ...inside]);
}

/** What a browser in the root gets: `200`, or `308 https://...`. */
async function ask(root: DebianRoot, url: string): Promise<string> {
  const { output } = await root.run(['curl', '-sk', '-m', '5', '-o', '/dev/null', '-w', '%{http_code} %{redirect_url}', url]);
  return output.trim();
}

async function stopped(root: DebianRoot, child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  await root.must(['bascule-appliance', 'stop']);
  assert.deepEqual(await ended, [0, null]);
}

test('installed with what it depends on; root owns what it brings', how, async () => {
  const said = await installDebianPackage(root, deb);
  assert.match(said, /Setting up libatomic1/);
  assert.match(said, /systemd does not run here: let your service manager run \/usr\/lib\/bascule\/start as root/);
  await checkFiles();
});

test('as process 1 of a container, without root: signals end it in order, and nothing that ended is left over', how, async () => {
  const home = '/srv/state';
  await root.must(['install', '-d', '-o', CONTAINED_USER, '-g', CONTAINED_USER, home]);
  const namespaces = ['unshare', '--mount', '--propagation', 'unchanged', '--pid', '--fork', '--kill-child'];
  const contained = [...namespaces, 'sh', '-c', 'mount -t proc proc /proc && exec "$@"', 'sh'];
  const user = ['setpriv', `--reuid=${CONTAINED_USER}`, `--regid=${CONTAINED_USER}`, '--clear-groups', '--no-new-privs'];
  const options = { BASCULE_HOME: home, BASCULE_NAME: 'localhost', BASCULE_PORT: '8443', BASCULE_HTTP_PORT: 'none' };
  const child = root.spawn([...contained, ...user, '/usr/lib/bascule/container'], options);
  const ended = once(child, 'exit');
  const answers = async () => child.exitCode !== null || (await ask(root, 'https://localhost:8443/login')) === '200';
  await waitUntil('it answers', answers, START_LIMIT_MS);

  const isFirst = ({ command }: Found) => command.startsWith('/bin/sh /usr/lib/bascule/container');
  const first = must(below(child.pid ?? 0).find(isFirst), 'process 1');
  const inside = ['--target', String(first.pid), '--mount', '--pid', 'chroot', root.directory];
  const { stdout } = spawnSync('nsenter', [...inside, 'bascule-appliance', 'status', '--home', home], { encoding: 'utf8' });
  assert.match(stdout, /boot +\d+ +uid 10001/, 'a user that the container has no name for');

  const base = () => below(first.pid).find(({ command }) => command.includes('/apps/base/src/main.ts'));
  const before = must(base(), 'base').pid;
  process.kill(before, 'SIGKILL');
  await waitUntil('another base runs', () => ![undefined, before].includes(base()?.pid), START_LIMIT_MS);
  await waitUntil('it answers again', answers, START_LIMIT_MS);
  // Programs of the site that ended after their base were its orphans.
  await waitUntil('nothing that ended is left', () => below(first.pid).every(({ state }) => state !== 'Z'));
  assert.equal(existsSync(root.path(`${home}/run/boot.json`)), true);
  process.kill(first.pid, 'SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  assert.equal(existsSync(root.path(`${home}/run/boot.json`)), false, 'in order');
});

test('started on 443 and 80, upgraded, removed, purged', how, async () => {
  let boot = activate(root);
  const siteAnswers = async () => (await ask(root, 'https://localhost/login')) === '200';
  await waitUntil('the site answers on 443', siteAnswers, START_LIMIT_MS);
  assert.equal(await ask(root, 'https://localhost/appliance'), '200');
  const passwords = await root.must(['bascule-appliance', 'first-passwords']);
  assert.match(passwords, /^https:\/\/localhost\/login  user admin, one-time password \S{8,}$/m);
  assert.match(passwords, /^https:\/\/localhost\/appliance  user admin, one-time password \S{8,}$/m);
  assert.match(await root.must(['bascule-appliance', 'first-passwords']), /bascule-appliance reset-password login/);
  assert.match(await root.must(['bascule-appliance', 'reset-password', 'appliance']), /one-time password/);
  assert.match(await ask(root, 'http://localhost/login?a=b'), /^30[178] https:\/\/localhost\/login\?a=b$/);
  const status = await root.must(['bascule-appliance', 'status']);
  assert.match(status, /^Running at https:\/\/localhost, base 0\.2\.0 and site 0\.2\.0/);
  for (const line of [/boot +\d+ +root/, /helper +\d+ +root/, /base +\d+ +bascule/, /site +\d+ +bascule/, /relay +\d+ +bascule/])
    assert.match(status, line);
  assert.equal(existsSync(root.path(`${INSTALLED_HOME}/client`)), false, 'it never enrols itself');

  await shop.release({ ...NEXT, version: LATER_VERSION }, undefined, ['base']);
  const later = await buildDebianPackage(shop, LATER_VERSION);
  await installDebianPackage(root, later);
  assert.equal(await ask(root, 'https://localhost/login'), '200', 'it runs on while it is upgraded');
  await stopped(root, boot);
  boot = activate(root);
  // It is started by the first connection.
  await waitUntil('the site answers again', siteAnswers, START_LIMIT_MS);
  await waitUntil(
    'it is offered',
    async () => /base.*0\.3\.0/.test((await root.run(['bascule-appliance', 'updates'])).output),
    START_LIMIT_MS,
  );
  assert.match(await root.must(['bascule-appliance', 'status']), /base 0\.2\.0 and site 0\.2\.0/, 'offered, not installed');
  assert.equal(readlinkSync(root.path(`${INSTALLED_HOME}/software/base/current`)).startsWith('0.2.0-'), true);

  const ended = once(boot, 'exit');
  await root.must(['dpkg', '--remove', 'bascule-appliance']);
  assert.deepEqual(await ended, [0, null], 'removing stops it in order');
  assert.deepEqual(
    [existsSync(root.path('/usr/lib/bascule')), existsSync(root.path(`${INSTALLED_HOME}/site/site.db`))],
    [false, true],
  );
  assert.equal(existsSync(root.path('/etc/bascule/appliance.conf')), true);
  assert.match(
    await root.must(['dpkg', '--purge', 'bascule-appliance']),
    /\/var\/lib\/bascule was kept: recordings, audit, databases and keys/,
  );
  assert.deepEqual(
    [existsSync(root.path('/etc/bascule')), existsSync(root.path(`${INSTALLED_HOME}/site/site.db`))],
    [false, true],
  );
  assert.match(await root.must(['id', 'bascule']), /bascule/);
});

/** Root's alone, but for what is base's user's; and as they were packed. */
async function checkFiles(): Promise<void> {
  assert.equal(await root.must(['dpkg', '--verify', 'bascule-appliance']), '');
  const open =
    'find /usr/lib/bascule /usr/sbin/bascule-appliance /etc/bascule ! -type l \\( ! -user root -o ! -group root -o -perm /7022 \\)';
  assert.equal(await root.must(['sh', '-c', open]), '', 'nothing that anybody but root can change, nothing that gives rights');
  const stat = (
    await root.must([
      'stat',
      '-c',
      '%n %A %U:%G',
      INSTALLED_HOME,
      '/var/backups/bascule',
      '/etc/bascule/appliance.conf',
      '/usr/lib/bascule/start',
      '/usr/lib/bascule/container',
      '/usr/lib/bascule/boot/bin/node',
      '/usr/lib/bascule/boot/apps/boot/src/main.ts',
      '/usr/lib/bascule/seed/seed.json',
      '/usr/lib/systemd/system/bascule.service',
      '/usr/lib/systemd/system-generators/bascule-generator',
    ])
  )
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' ').slice(1).join(' '));
  const program = '-rwxr-xr-x root:root';
  const file = '-rw-r--r-- root:root';
  const folders = ['drwxr-xr-x root:root', 'drwx------ bascule:bascule'];
  assert.deepEqual(stat, [...folders, file, program, program, program, file, file, file, program]);
  assert.match(await root.must(['getent', 'passwd', 'bascule']), /:\/nonexistent:\/usr\/sbin\/nologin$/m);
}

interface Found {
  pid: number;
  state: string;
  command: string;
}

/** All processes that `pid` has started, and theirs. */
function below(pid: number): Found[] {
  const read = (file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'latin1');
    } catch {
      // It has ended meanwhile.
      return '';
    }
  };
  return read(`task/${pid}/children`)
    .split(' ')
    .filter((child) => child !== '')
    .map(Number)
    .flatMap((child) => [about(child), ...below(child)]);
}

function about(pid: number): Found {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
    return { pid, state: stat.slice(stat.lastIndexOf(')') + 2)[0] ?? '', command };
  } catch {
    return { pid, state: '', command: '' };
  }
}
