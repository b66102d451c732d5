import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Installs the Debian packages of commands that are missing, as the tests have theirs. Root only. */
export async function ensurePackages(commands: Record<string, string>): Promise<void> {
  const missing = Object.entries(commands).flatMap(([command, name]) => (isThere(command) ? [] : [name]));
  if (missing.length === 0) return;
  const { aptInstall } = (await import(join(import.meta.dirname, '..', 'tools', 'entry', 'install.mjs'))) as {
    aptInstall(packages: string[]): void;
  };
  aptInstall(missing);
}

const isThere = (command: string): boolean => spawnSync(command, ['--version']).error === undefined;
