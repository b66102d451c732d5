/** Removes a client program from its machine without a trace: what its own installer made (`installed.json`), and nothing else (B89). */
import { execFile, spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { basename, resolve, win32 } from 'node:path';
import { promisify } from 'node:util';
import type { InstalledFile } from './installed.ts';
import type { ProgramFolder } from './program-folder.ts';
import { UsageError } from './usage-error.ts';

const run = promisify(execFile);
const COMMAND_LIMIT_MS = 20_000;
/** By whole path: this runs as Local System, and nobody may put another program in the way. */
const systemProgram = (name: string) => win32.join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32', name);
/** The package manager begins when this program has said goodbye. */
const AFTERWARDS_SECONDS = 2;

/** Gives what is to be removed. Throws UsageError with a sentence when this program cannot remove itself. */
export function plannedRemoval(folder: ProgramFolder | undefined): { folder: ProgramFolder; installed: InstalledFile } {
  const installed = folder?.installed();
  if (folder === undefined || installed === undefined)
    throw new UsageError('No installer noted what it put on this machine (installed.json): remove this program by hand.');
  if (installed.scope === 'system' && process.getuid !== undefined && process.getuid() !== 0)
    throw new UsageError('This program was installed for the whole machine: only root can remove it.');
  return { folder, installed };
}

/** Removes everything, or has the package manager do so right after this program ended. What was no more there is none of its concern. */
export async function removeProgram({ folder, installed }: { folder: ProgramFolder; installed: InstalledFile }): Promise<void> {
  if (installed.package === 'deb')
    return runAfterwards(['dpkg', '--purge', installed.packageName ?? `bascule-${installed.program}`]);
  if (installed.package === 'msi') {
    if (installed.productCode === undefined) throw new Error('installed.json does not name the product code.');
    return runAfterwards([systemProgram('msiexec.exe'), '/x', installed.productCode, '/qn', '/norestart']);
  }
  if (installed.unit !== null) await removeUnit(installed.unit, installed.scope);
  for (const path of installed.extra) {
    if (basename(path).includes('bascule')) rmSync(resolve(path), { recursive: true, force: true });
  }
  rmSync(folder.directory, { recursive: true, force: true });
}

/** Disabled, removed and forgotten by systemd, but not stopped: that would be this very program, before it is done. */
async function removeUnit(unit: string, scope: 'system' | 'user'): Promise<void> {
  const systemctl = (...args: string[]) =>
    run('systemctl', [...(scope === 'user' ? ['--user'] : []), ...args], { timeout: COMMAND_LIMIT_MS }).catch(() => undefined);
  await systemctl('disable', basename(unit));
  if (basename(unit).includes('bascule')) rmSync(unit, { force: true });
  await systemctl('daemon-reload');
}

/** Outside of this service's control group, which ends with it. */
function runAfterwards(command: string[]): void {
  const shell =
    process.platform === 'win32'
      ? [
          systemProgram('cmd.exe'),
          '/c',
          // One answer a second; timeout.exe wants a terminal.
          `${systemProgram('ping.exe')} -n ${AFTERWARDS_SECONDS + 1} 127.0.0.1 >nul & ${command.join(' ')}`,
        ]
      : ['/bin/sh', '-c', `sleep ${AFTERWARDS_SECONDS}; exec "$@"`, 'sh', ...command];
  const isSystemd = existsSync('/run/systemd/system');
  const [file, ...args] = isSystemd ? ['systemd-run', '--quiet', '--collect', ...shell] : shell;
  const child = spawn(file!, args, { detached: true, stdio: 'ignore', cwd: '/', windowsHide: true });
  child.on('error', () => undefined);
  child.unref();
}
