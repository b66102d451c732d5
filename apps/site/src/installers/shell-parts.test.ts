import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { settingsFile } from '../../../../packages/client/src/installed.ts';
import { launcherScript } from './launcher.ts';
import { finishInstallation } from './shell-finish.ts';
import { checks, chooseTarget, IS_NEWER, POINT, quotedKey, quotedUrl, WRITE_SETTINGS } from './shell-parts.ts';

const work = mkdtempSync(join(tmpdir(), 'bascule-shell-'));
after(() => rmSync(work, { recursive: true, force: true }));
const sh = (script: string, env: Record<string, string> = {}) =>
  execFileSync('/bin/sh', ['-euc', script], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin', ...env } });

/** A program folder that holds these bundles. */
function folderWith(bundles: string[], current?: string): string {
  const target = mkdtempSync(join(work, 'target-'));
  for (const name of bundles) {
    mkdirSync(join(target, 'bundles', name), { recursive: true });
    writeFileSync(join(target, 'bundles', name, 'main.mjs'), '');
  }
  if (current !== undefined) writeFileSync(join(target, 'current'), `${current}\n`);
  return target;
}
const pointer = (target: string, name: string) =>
  existsSync(join(target, name)) ? readFileSync(join(target, name), 'utf8').trim() : undefined;

test('versions are compared number by number', () => {
  const cases: [string, string, boolean][] = [
    ['0.10.0-abc', '0.9.9-def', true],
    ['0.9.9-def', '0.10.0-abc', false],
    ['1.0.0-abc', '1.0.0-def', false],
    ['2.0.0', '1.99.99-x', true],
    ['0.1.1-a', '0.1.0-b', true],
  ];
  for (const [one, other, isNewer] of cases)
    assert.equal(
      sh(`${IS_NEWER}if is_newer ${one} ${other}; then echo yes; else echo no; fi`).trim(),
      isNewer ? 'yes' : 'no',
      `${one} ${other}`,
    );
});

test('what is installed runs, the one before stays as previous; a client that has upgraded itself beyond it stays (B98)', () => {
  const point = (target: string, folder: string) => sh(`target=${target}\n${IS_NEWER}${POINT}point ${folder}`);
  const fresh = folderWith(['0.2.0-a']);
  point(fresh, '0.2.0-a');
  assert.deepEqual([pointer(fresh, 'current'), pointer(fresh, 'previous')], ['0.2.0-a', undefined]);
  const older = folderWith(['0.2.0-a', '0.3.0-b'], '0.2.0-a');
  writeFileSync(join(older, 'trial.json'), '{}');
  point(older, '0.3.0-b');
  assert.deepEqual([pointer(older, 'current'), pointer(older, 'previous')], ['0.3.0-b', '0.2.0-a']);
  assert.ok(!existsSync(join(older, 'trial.json')));
  const newer = folderWith(['0.2.0-a', '0.3.0-b'], '0.3.0-b');
  point(newer, '0.2.0-a');
  assert.equal(pointer(newer, 'current'), '0.3.0-b');
  const broken = folderWith(['0.2.0-a'], '0.3.0-gone');
  point(broken, '0.2.0-a');
  assert.equal(pointer(broken, 'current'), '0.2.0-a');
});

test('settings are what the program reads, closed to others; those of the same site stay', () => {
  const target = folderWith([]);
  const write = (site: string, mode: string, waits: string) =>
    sh(`target=${target}\n${WRITE_SETTINGS}write_settings ${site} ${mode} '${waits}'`);
  const read = () => settingsFile.parse(JSON.parse(readFileSync(join(target, 'settings.json'), 'utf8')));
  write('https://appliance.example:8443', 'passive', '"0.3.0"');
  assert.deepEqual([read().site, read().mode, read().waitsForVersion], ['https://appliance.example:8443', 'passive', '0.3.0']);
  assert.equal(statSync(join(target, 'settings.json')).mode & 0o777, 0o600);
  write('https://appliance.example:8443', 'active', 'null');
  assert.equal(read().mode, 'passive');
  write('https://appliance.example', 'active', 'null');
  assert.deepEqual([read().site, read().mode, read().waitsForVersion], ['https://appliance.example', 'active', null]);
});

test('nothing that could end a quotation gets into a script', () => {
  for (const url of ["https://a'b", 'https://a b', 'http://a', 'https://$(id)', 'https://a/`b`'])
    assert.throws(() => quotedUrl(url));
  for (const key of ["bjt1.a'b", 'other', 'bjt1.a b']) assert.throws(() => quotedKey(key));
});

test('a launcher that waits for a key ends when its program is removed, and says what is missing', () => {
  const target = folderWith(['0.2.0-a'], '0.2.0-a');
  const launcher = join(target, 'bascule-jump-client');
  writeFileSync(launcher, launcherScript('jump-client'), { mode: 0o755 });
  // A sleep that removes the program: what happens while it waits.
  const bin = mkdtempSync(join(work, 'bin-'));
  writeFileSync(join(bin, 'sleep'), `#!/bin/sh\nrm -f ${target}/current\n`, { mode: 0o755 });
  const { status, stderr } = spawnSync(launcher, [], { encoding: 'utf8', env: { PATH: `${bin}:/usr/bin:/bin` } });
  assert.equal(status, 0);
  assert.match(stderr, /^bascule-jump-client: waits for an installer key: run 'bascule-jump-client enrol'/);
  assert.ok(!existsSync(join(target, 'state')), 'no identity was made');
});

test('a launcher names its commands, also before there is a program or a key', () => {
  const target = folderWith([]);
  const launcher = join(target, 'bascule-jump-client');
  writeFileSync(launcher, launcherScript('jump-client'), { mode: 0o755 });
  for (const option of ['--help', '-h', 'help']) {
    const { status, stdout } = spawnSync(launcher, [option], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } });
    assert.equal(status, 0);
    for (const command of ['enrol', 'status', 'check-in', 'uninstall']) assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
  }
});

/** The lines of the end of an installation from `first` to the one before `last`. */
function linesOf(script: string, first: string, last: string): string {
  const begin = script.indexOf(first);
  return script.slice(begin, script.indexOf(last, begin));
}

test('the end of an installation says how to start a console, and removes the key beside an unpacked installer once it is enrolled', () => {
  const values = { bundleFolder: '0.2.0-a', waitsForVersion: null };
  const ending = linesOf(`${finishInstallation({ program: 'console', ...values })}#end`, 'start_with=', '#end');
  assert.match(sh(`target=/t; extra='"/usr/local/bin/bascule"'; ${ending}`), /Start it with: bascule\n$/);
  assert.match(sh(`target=/t; extra=; ${ending}`), /Start it with: \/t\/bascule-console\n$/);

  const removing = linesOf(finishInstallation({ program: 'jump-client', ...values }), 'if [ -n "${key_file', '\nkey=\n');
  const target = folderWith([]);
  const keyFile = join(target, 'key');
  writeFileSync(keyFile, 'bjt1.x');
  sh(`target=${target}; key_file=${keyFile}; ${removing}`);
  assert.ok(existsSync(keyFile), 'not enrolled: it is needed again');
  mkdirSync(join(target, 'state'));
  writeFileSync(join(target, 'state', 'identity.json'), '{}');
  sh(`target=${target}; key_file=${keyFile}; ${removing}`);
  assert.ok(!existsSync(keyFile));
});

const asRoot = { skip: process.getuid?.() !== 0 && 'only root can give files away' };
const NOBODY = 65534;

test('root installs nothing where another user could exchange it', asRoot, () => {
  const choose = (prefix: string) =>
    spawnSync('/bin/sh', ['-euc', `${checks('jump-client', ['cat'])}${chooseTarget('jump-client')}`], {
      encoding: 'utf8',
      env: { PATH: '/usr/bin:/bin', PREFIX: prefix },
    });
  const own = mkdtempSync(join(work, 'own-'));
  const theirs = mkdtempSync(join(work, 'theirs-'));
  chownSync(theirs, NOBODY, NOBODY);
  mkdirSync(join(theirs, 'of-root'));
  for (const prefix of [own, join(own, 'new', 'deep')]) assert.equal(choose(prefix).status, 0);
  for (const prefix of [theirs, `${theirs}/`, join(theirs, 'new'), join(theirs, 'of-root', 'new')]) {
    const { status, stderr } = choose(prefix);
    assert.equal(status, 1);
    assert.match(stderr, /theirs-\w+\/? belongs to another user/);
  }
});

test("the console's launcher runs upgrades of nobody else, also for root with another user's home", asRoot, () => {
  const folder = (directory: string, says: string) => {
    mkdirSync(join(directory, 'bundles', '0.2.0-a'), { recursive: true });
    mkdirSync(join(directory, 'runtimes', 'r', 'bin'), { recursive: true });
    writeFileSync(join(directory, 'runtimes', 'r', 'bin', 'node'), `#!/bin/sh\necho ${says}\n`, { mode: 0o755 });
    writeFileSync(join(directory, 'bundles', '0.2.0-a', 'main.mjs'), '');
    writeFileSync(join(directory, 'bundles', '0.2.0-a', 'runtime.txt'), 'r\n');
    for (const name of ['current', 'base']) writeFileSync(join(directory, name), '0.2.0-a\n');
    return directory;
  };
  const launcher = join(folder(mkdtempSync(join(work, 'console-')), 'installed'), 'bascule-console');
  writeFileSync(launcher, launcherScript('console'), { mode: 0o755 });
  const data = mkdtempSync(join(work, 'data-'));
  const own = folder(join(data, 'bascule-console-upgrades'), 'upgraded');
  const run = () => execFileSync(launcher, { encoding: 'utf8', env: { PATH: '/usr/bin:/bin', XDG_DATA_HOME: data } }).trim();
  assert.equal(run(), 'upgraded');
  chownSync(own, NOBODY, NOBODY);
  assert.equal(run(), 'installed');
});

test('a console, whose folder everybody may read, keeps no proxy and its password', () => {
  const values = { bundleFolder: '0.2.0-a', waitsForVersion: null };
  assert.match(finishInstallation({ program: 'jump-client', ...values }), /^save_proxy$/m);
  assert.doesNotMatch(finishInstallation({ program: 'console', ...values }), /save_proxy/);
});
