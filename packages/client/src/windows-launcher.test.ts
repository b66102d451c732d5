import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { closeRegistryCommand, readRegistryOutput } from '../supervisor/windows-launcher.mjs';

test('the key of the registry is closed to all but Local System and administrators, by a program of a whole path', () => {
  const { file, args } = closeRegistryCommand('jump-client');
  assert.equal(file, 'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe');
  assert.ok(args.includes('-NoProfile') && args.includes('-NonInteractive'));
  const script = args.at(-1) ?? '';
  assert.ok(script.includes(`'HKLM:\\Software\\Bascule\\jump-client'`));
  // Protected, nothing inherited; SY and BA alone, with what lies below.
  assert.deepEqual(/'(D:[^']+)'/.exec(script)?.[1], 'D:PAI(A;CI;KA;;;SY)(A;CI;KA;;;BA)');
});

test('no program is started by its bare name on Windows', () => {
  const launcher = readFileSync(new URL('../supervisor/windows-launcher.mjs', import.meta.url), 'utf8');
  assert.doesNotMatch(launcher, /execFileSync\(['"]/);
});

test('values of the registry are read by name; empty ones are none', () => {
  const output = [
    '',
    'HKEY_LOCAL_MACHINE\\Software\\Bascule\\jump-client',
    '    Site    REG_SZ    https://a:443',
    '    Key    REG_SZ    ',
    '',
  ];
  assert.deepEqual(readRegistryOutput(output.join('\r\n')), { Site: 'https://a:443' });
});
