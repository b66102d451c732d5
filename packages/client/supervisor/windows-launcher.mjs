/**
 * What the service stub of a Windows package starts (docs/spec/client-supervisor.md, section 7): it closes the program folder to ordinary users, takes the settings that the
 * package wrote to the registry, enrols with the key from there, and then is the supervisor. Put there by the package, and replaced by the next package alone.
 * Node's own modules only.
 */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, win32 } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const FIRST_PAUSE_MS = 5000;
const LONGEST_PAUSE_MS = 300_000;
const COMMAND_LIMIT_MS = 20_000;
/** Local System and the group of administrators, by their well-known numbers: their names differ by language. */
const OWNERS = ['*S-1-5-18:(OI)(CI)F', '*S-1-5-32-544:(OI)(CI)F'];
/** The same for a key of the registry: nothing inherited, all rights for both, with everything below. */
const REGISTRY_OWNERS = 'D:PAI(A;CI;KA;;;SY)(A;CI;KA;;;BA)';
/** By whole path: no other place is searched for them. */
const SYSTEM_FOLDER = win32.join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32');
const ICACLS = win32.join(SYSTEM_FOLDER, 'icacls.exe');
const REG = win32.join(SYSTEM_FOLDER, 'reg.exe');
const POWERSHELL = win32.join(SYSTEM_FOLDER, 'WindowsPowerShell', 'v1.0', 'powershell.exe');
const MODES = ['active', 'passive'];

/**
 * @typedef {{ program: string, bundle: string, productCode: string }} Package as windows-package.json says; bundle: a folder's name
 * @typedef {Record<string, string>} Values of the registry, by name, without those that are empty
 */

const home = dirname(fileURLToPath(import.meta.url));
/** @param {string[]} names */
const below = (...names) => join(home, ...names);
/** @param {string} text */
const say = (text) => process.stderr.write(`launcher: ${text}\n`);

/** Either the old or the new file after a power cut. @param {string} name @param {string} text */
function write(name, text) {
  const temporary = below(`${name}.next`);
  const descriptor = openSync(temporary, 'w', 0o600);
  try {
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, below(name));
}

/** @param {string} name */
function textOf(name) {
  try {
    return readFileSync(below(name), 'utf8').trim();
  } catch {
    return '';
  }
}

/** @param {string} name @returns {any} an empty object when it is missing or damaged */
function jsonOf(name) {
  try {
    return Object(JSON.parse(textOf(name)));
  } catch {
    return {};
  }
}

/** Only Local System and administrators may read here: keys, settings, the log. Without that the program does not run. */
export function closeFolder() {
  if (process.platform !== 'win32') return;
  execFileSync(ICACLS, [home, '/inheritance:r', '/grant:r', ...OWNERS, '/Q'], {
    stdio: 'ignore',
    timeout: COMMAND_LIMIT_MS,
  });
}

/** @param {string} program */
const registryKey = (program) => `HKLM\\Software\\Bascule\\${program}`;

/** What `reg query` printed. @param {string} output @returns {Values} */
export function readRegistryOutput(output) {
  /** @type {Values} */
  const values = {};
  for (const line of output.split(/\r?\n/)) {
    const found = /^\s+(\w+)\s+REG_SZ\s+(.*)$/.exec(line);
    const text = found?.[2]?.trim();
    if (found?.[1] !== undefined && text) values[found[1]] = text;
  }
  return values;
}

/** @param {string} program @returns {Values} */
function registryValues(program) {
  try {
    return readRegistryOutput(
      execFileSync(REG, ['query', registryKey(program)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: COMMAND_LIMIT_MS,
      }),
    );
  } catch {
    return {};
  }
}

/**
 * The command that closes the program's key of the registry to ordinary users, as the folder is closed: an installer key, and the password of a proxy, stand in it. `reg` cannot
 * do that.
 * @param {string} program
 */
export function closeRegistryCommand(program) {
  const path = `HKLM:\\Software\\Bascule\\${program}`;
  const set = `$rights = Get-Acl -LiteralPath '${path}'; $rights.SetSecurityDescriptorSddlForm('${REGISTRY_OWNERS}', 'Access'); Set-Acl -LiteralPath '${path}' -AclObject $rights`;
  const script = `$ErrorActionPreference = 'Stop'; if (Test-Path -LiteralPath '${path}') { ${set} }`;
  return { file: POWERSHELL, args: ['-NoLogo', '-NoProfile', '-NonInteractive', '-Command', script] };
}

/** When it fails, the secrets are removed all the same once they are taken over. @param {string} program */
function closeRegistry(program) {
  if (process.platform !== 'win32') return;
  const { file, args } = closeRegistryCommand(program);
  try {
    execFileSync(file, args, { stdio: 'ignore', timeout: COMMAND_LIMIT_MS, windowsHide: true });
  } catch {
    say(`could not close ${registryKey(program)} to other users.`);
  }
}

/** @param {string} program @param {string} name */
function removeValue(program, name) {
  try {
    execFileSync(REG, ['delete', registryKey(program), '/v', name, '/f'], { stdio: 'ignore', timeout: COMMAND_LIMIT_MS });
  } catch {
    // It was typed, or came in a file.
  }
}

/** A key that was used is of no use to anybody but a thief. @param {string} program */
function forgetKey(program) {
  rmSync(below('key'), { force: true });
  removeValue(program, 'Key');
}

/** Takes the package over; what may hold a password stands in settings.json alone afterwards. @param {Package} brought @param {Values} values */
function takeOver(brought, values) {
  takePackage(brought, values);
  if (values['Proxy'] && jsonOf('settings.json').proxy === values['Proxy']) removeValue(brought.program, 'Proxy');
}

/** @param {string} folder @returns {number[]} */
const versionOf = (folder) => (/^(\d+)\.(\d+)\.(\d+)-/.exec(folder) ?? []).slice(1).map(Number);

/** Whether `folder` holds an older program than `other`. @param {string} folder @param {string} other */
export function isOlder(folder, other) {
  const [a, b] = [versionOf(folder), versionOf(other)];
  const at = [0, 1, 2].find((index) => a[index] !== b[index]);
  return at !== undefined && (a[at] ?? 0) < (b[at] ?? 0);
}

/**
 * Takes over what a package brought, once for each package: its program is the current one, unless an upgrade has brought a newer one meanwhile (B98); settings that it does not
 * name stay.
 * @param {Package} brought @param {Values} values
 */
export function takePackage(brought, values) {
  const current = textOf('current');
  const isThere = existsSync(below('bundles', current, 'main.mjs')) && current !== '';
  if (textOf('package-taken') === brought.bundle && isThere) return;
  const { Site, Mode, Proxy, Name, WaitsFor } = values;
  const settings = {
    ...jsonOf('settings.json'),
    ...(Site && { site: Site }),
    ...(Mode && MODES.includes(Mode) && { mode: Mode }),
    ...(Proxy && { proxy: Proxy }),
    ...(Name && { name: Name }),
    waitsForVersion: WaitsFor ?? null,
  };
  write('settings.json', `${JSON.stringify(settings, null, 2)}\n`);
  const { program, productCode } = brought;
  const installed = { program, scope: 'system', package: 'msi', unit: null, extra: [], productCode };
  write('installed.json', `${JSON.stringify(installed)}\n`);
  if (!isThere || !isOlder(brought.bundle, current)) {
    rmSync(below('trial.json'), { force: true });
    if (isThere && current !== brought.bundle) write('previous', current);
    write('current', brought.bundle);
  }
  write('package-taken', brought.bundle);
}

/** Runs the program once with `args`; its exit code. @param {string[]} args @param {NodeJS.ProcessEnv} env @param {AbortSignal} [signal] */
function runOnce(args, env, signal) {
  const child = spawn(process.execPath, [below('supervisor.mjs'), ...args], { env, stdio: 'inherit', windowsHide: true, signal });
  return new Promise((resolve) => {
    child.once('error', () => resolve(1));
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** Until somebody gives a key, and the appliance takes it. @param {string} program @param {AbortSignal} signal */
async function waitForIdentity(program, signal) {
  let pauseMs = FIRST_PAUSE_MS;
  let hasAsked = false;
  while (!signal.aborted && !existsSync(below('state', 'identity.json'))) {
    const values = registryValues(program);
    const key = values['Key'] ?? textOf('key');
    if (jsonOf('settings.json').site == null && values['Site']) rmSync(below('package-taken'), { force: true });
    takeOver(jsonOf('windows-package.json'), values);
    if (key === '' || jsonOf('settings.json').site == null) {
      if (!hasAsked) say(`waits for an appliance and an installer key: ${registryKey(program)}, Site and Key.`);
      hasAsked = true;
      await delay(FIRST_PAUSE_MS, undefined, { signal }).catch(() => undefined);
    } else if ((await runOnce(['--enrol'], { ...process.env, BASCULE_TOKEN: key }, signal)) === 0) forgetKey(program);
    else if (!signal.aborted) {
      say(`is not enrolled yet (see above); it tries again in ${pauseMs / 1000} seconds.`);
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }
}

/** @returns {AbortSignal} of the stub's stop: it closes our standard input */
function stopOfService() {
  const stopping = new AbortController();
  if (process.env['BASCULE_STOPS_BY_STDIN'] !== '1') return stopping.signal;
  delete process.env['BASCULE_STOPS_BY_STDIN'];
  process.stdin.on('error', () => undefined);
  process.stdin.once('close', () => {
    stopping.abort();
    // As the supervisor is told on other systems.
    process.emit('SIGTERM', 'SIGTERM');
  });
  process.stdin.resume();
  return stopping.signal;
}

/** @param {string[]} args */
async function main(args) {
  for (const name of ['NODE_OPTIONS', 'NODE_PATH', 'NODE_EXTRA_CA_CERTS']) delete process.env[name];
  if (args[0] === 'enrol' && args[1] !== undefined) {
    write('key', readFileSync(args[1], 'utf8').trim());
    say('the service enrols with that key now; client.log says how it went.');
    return;
  }
  if (args.length > 0) {
    process.exitCode = await runOnce(args, process.env);
    return;
  }
  const brought = jsonOf('windows-package.json');
  const signal = stopOfService();
  closeFolder();
  const values = registryValues(brought.program);
  // Where nothing secret is, or comes, it does not matter who reads.
  if (values['Key'] || values['Proxy'] || !existsSync(below('state', 'identity.json'))) closeRegistry(brought.program);
  takeOver(brought, values);
  await waitForIdentity(brought.program, signal);
  // Brought to a machine that was enrolled before: nobody needs it.
  if (!signal.aborted && values['Key']) forgetKey(brought.program);
  if (!signal.aborted) await import('./supervisor.mjs');
  // The supervisor has ended, and nothing else is to be waited for.
  process.stdin.destroy();
}

// Imported by nobody but tests.
if (basename(process.argv[1] ?? '') === 'windows-launcher.mjs') await main(process.argv.slice(2));
