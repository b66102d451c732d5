/** Windows packages built for real by wixl and mingw, and looked into with msiinfo. Whether Windows takes them is another question: windows-wine.proc.test.ts. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { productCodeOf, upgradeCodeOf } from './msi-source.ts';
import { builtInstallers, missingForTest, savedMsi, standIns, tableOf } from './testing.ts';

const KEY = `bjt1.${'i'.repeat(22)}.${'s'.repeat(43)}.${'f'.repeat(64)}`;
const SITE = 'https://appliance.example.net:8443';
const skip = missingForTest();

describe('Windows packages', { skip, concurrency: false }, () => {
  let work: string;
  let archive: { file: string; sha256: string };
  let client: string;
  let bare: string;
  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'bascule-msi-'));
    archive = await builtInstallers(work, { version: '0.2.0', ...(await standIns(work, '0.2.0')) });
    const common = { version: '0.2.0', siteUrl: SITE, trustedRoot: undefined };
    client = await savedMsi(work, archive, {
      ...common,
      program: 'jump-client',
      mode: 'passive',
      key: KEY,
      waitsForVersion: '0.2.0',
    });
    bare = await savedMsi(join(work), archive, {
      ...common,
      program: 'console',
      mode: 'active',
      key: KEY,
      waitsForVersion: null,
    });
  });
  after(() => rmSync(work, { recursive: true, force: true }));

  test('the same input gives the same bytes', async () => {
    const again = await builtInstallers(work, { version: '0.2.0', ...(await standIns(work, '0.2.0')) }, 'again.tar.zst');
    assert.equal(again.sha256, archive.sha256);
  });

  test('it holds the values of its installer, and its key in no log of Windows', () => {
    const properties = new Map(tableOf(client, 'Property').map(([name, value]) => [name, value?.trimEnd()]));
    assert.equal(properties.get('SITE'), SITE);
    assert.equal(properties.get('KEY'), KEY);
    assert.equal(properties.get('MODE'), 'passive');
    assert.equal(properties.get('WAITSFOR'), '0.2.0');
    assert.ok(properties.get('MsiHiddenProperties')?.split(';').includes('KEY'));
    // A person may give them at the installation, also when Windows asks for rights in between.
    for (const name of ['SITE', 'KEY', 'MODE', 'PROXY', 'NAME'])
      assert.ok(properties.get('SecureCustomProperties')?.split(';').includes(name), name);
    assert.equal(properties.get('ProductVersion'), '0.2.0');
    assert.equal(properties.get('ProductCode'), productCodeOf('jump-client', '0.2.0'));
  });

  test('a service that is started and removed; settings in the registry; a newer package replaces it, an older one is refused', () => {
    const [service] = tableOf(client, 'ServiceInstall');
    assert.equal(service?.[1], 'BasculeJumpClient');
    assert.match(service?.[10] ?? '', /^runtimes\\[0-9a-f]{16}\\node\.exe windows-launcher\.mjs$/);
    assert.equal(tableOf(client, 'ServiceControl').length, 1);
    const values = new Map(tableOf(client, 'Registry').map(([, , key, name, value]) => [`${key}\\${name}`, value]));
    assert.equal(values.get('Software\\Bascule\\jump-client\\Site'), '[SITE]');
    assert.equal(values.get('Software\\Bascule\\jump-client\\Key'), '[KEY]');
    const upgrades = tableOf(client, 'Upgrade');
    assert.deepEqual([...new Set(upgrades.map(([code]) => code))], [upgradeCodeOf('jump-client')]);
    assert.deepEqual(
      upgrades.map(([, least, most]) => [least, most]),
      [
        ['', '0.2.0'],
        ['0.2.0', ''],
      ],
    );
    // The former one goes before anything comes.
    const order = new Map(tableOf(client, 'InstallExecuteSequence').map(([action, , number]) => [action, Number(number)]));
    const removal = order.get('RemoveExistingProducts') ?? 0;
    assert.ok(removal > (order.get('InstallInitialize') ?? Infinity) && removal < (order.get('ProcessComponents') ?? 0));
    assert.match(tableOf(client, 'LaunchCondition').flat().join(), /NOT WIX_DOWNGRADE_DETECTED/);
  });

  test('what the program made is cleared after its service stopped, before the files of the package go', () => {
    const order = new Map(tableOf(client, 'InstallExecuteSequence').map(([action, , number]) => [action, Number(number)]));
    const clear = order.get('ClearFolder') ?? 0;
    assert.ok(clear > (order.get('StopServices') ?? Infinity) && clear < (order.get('RemoveFiles') ?? 0));
    const [action] = tableOf(client, 'CustomAction');
    // 18: a program of the package; +64: whatever its exit code; +1024: deferred; +2048: as Local System.
    assert.deepEqual(action?.slice(1, 4), [String(18 + 64 + 1024 + 2048), 'mainFile', '--clear']);
  });

  test('files lie where the supervisor looks for them, on a 64-bit Windows', () => {
    const names = tableOf(client, 'File').map(([, , name]) => name?.split('|').at(-1));
    for (const name of ['node.exe', 'main.mjs', 'runtime.txt', 'archive.txt', 'supervisor.mjs', 'bascule-jump-client.exe'])
      assert.ok(names.includes(name), name);
    // Written on the machine, so that no newer package and no repair brings them back to what they were.
    for (const name of ['current', 'settings.json', 'installed.json']) assert.ok(!names.includes(name), name);
    assert.match(execFileSync('msiinfo', ['suminfo', client], { encoding: 'utf8' }), /Template: x64;1033/);
  });

  test('components of what is at the same place keep their codes, so that a newer package takes it over', async () => {
    const newer = await builtInstallers(work, { version: '0.3.0', ...(await standIns(work, '0.3.0')) });
    const common = { siteUrl: SITE, mode: 'active' as const, key: undefined, waitsForVersion: null, trustedRoot: undefined };
    const other = await savedMsi(work, newer, { ...common, program: 'jump-client', version: '0.3.0' });
    const codeOf = (msi: string) => tableOf(msi, 'Component').find(([id]) => id === 'main')?.[1];
    assert.equal(codeOf(other), codeOf(client));
    assert.notEqual(productCodeOf('jump-client', '0.3.0'), productCodeOf('jump-client', '0.2.0'));
  });

  test('the console has no service and no key; it is found by its name, and is kept up to date by its package', () => {
    assert.ok(!readFileSync(bare).includes(KEY));
    assert.equal(tableOf(bare, 'ServiceInstall').length, 0);
    assert.deepEqual(tableOf(bare, 'Environment'), [['Path', '=-*PATH', '[~];[INSTALLDIR]', 'main']]);
    const names = tableOf(bare, 'File').map(([, , name]) => name?.split('|').at(-1));
    for (const name of ['bascule.cmd', 'current', 'locked', 'main.mjs']) assert.ok(names.includes(name), name);
  });
});
