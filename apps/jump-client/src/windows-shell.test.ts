/** What the Windows parts decide without Windows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandLineOf } from './command-line.ts';
import { windowsEnvironment, windowsShell } from './login-user.ts';

const env = {
  SystemRoot: 'C:\\Windows',
  Path: 'C:\\Windows\\system32',
  TEMP: 'C:\\Temp',
  BASCULE_TOKEN: 'secret',
  NODE_OPTIONS: '--x',
  LD_LIBRARY_PATH: 'x',
};

test('words of a command line come apart as they were', () => {
  assert.equal(commandLineOf(['C:\\a.exe', '/c', 'exit 0']), 'C:\\a.exe /c "exit 0"');
  assert.equal(commandLineOf(['', 'say "hi"']), '"" "say \\"hi\\""');
  // A backslash before the closing quote would take it away.
  assert.equal(commandLineOf(['C:\\Program Files\\']), '"C:\\Program Files\\\\"');
  assert.equal(commandLineOf(['a\\"b c']), '"a\\\\\\"b c"');
});

test('PowerShell where it is, else the command prompt; never by a bare name', () => {
  const powerShell = 'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe';
  assert.equal(
    windowsShell(env, (file) => file === powerShell),
    powerShell,
  );
  assert.equal(
    windowsShell({}, () => false),
    'C:\\Windows\\System32\\cmd.exe',
  );
});

test("a shell gets what is Windows' own, and nothing of this program's", () => {
  const given = windowsEnvironment({ name: 'me', home: 'C:\\Users\\me', shell: 'x' }, 'xterm', env);
  assert.deepEqual(given, {
    SystemRoot: 'C:\\Windows',
    TEMP: 'C:\\Temp',
    PATH: 'C:\\Windows\\system32',
    USERNAME: 'me',
    USERPROFILE: 'C:\\Users\\me',
    TERM: 'xterm',
  });
});
