/** Windows packages for tests: with real programs or with small stand-ins, put together as an appliance does. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { build } from 'esbuild';
import { packArchive } from '@bascule/package-format/archive.ts';
import { buildClientArchive } from '@bascule/package-format/client-build.ts';
import { WINDOWS_PROGRAMS } from '@bascule/package-format/windows-installers.ts';
import { streamOf } from '../../apps/site/src/installers/tar-pieces.ts';
import { windowsPackages, type MsiInput } from '../../apps/site/src/installers/installers.ts';
import { aptInstall } from '../entry/install.mjs';
import { buildWindowsInstallers, type WindowsInstallersBuild } from './windows-installers.ts';
import { buildServiceStub, missingTools } from './windows-parts.ts';

export const CHECKOUT = resolve(import.meta.dirname, '..', '..');
const isAll = process.env['BASCULE_FAULTS'] === 'all';
const isRoot = process.getuid?.() === 0;
const STAND_IN_BYTES = 512 * 1024;

/** Why a test cannot run here; undefined when it can. Two minutes of packages are not for every `npm test`: `npm run faults` installs them. */
export function missingForTest(...more: { name: string; file: string }[]): string | undefined {
  const missing = () => [...missingTools(), ...more.filter(({ file }) => !existsSync(file)).map(({ name }) => name)];
  if (missing().length > 0 && isAll && isRoot) aptInstall(missing());
  const left = missing();
  return left.length === 0 ? undefined : `needs Debian's ${left.join(', ')}: npm run faults installs them`;
}

/** Bundles without the parts that are fetched from the network, and bytes in place of node.exe. */
export async function standIns(work: string, version: string): Promise<Pick<WindowsInstallersBuild, 'bundles' | 'nodeExe'>> {
  const bundles: Partial<WindowsInstallersBuild['bundles']> = {};
  for (const program of WINDOWS_PROGRAMS) {
    const archive = join(work, `${program}-${version}.tar.zst`);
    const about = { format: 'bascule-client/1', program, version, revision: 'test', platform: 'win32-x64' };
    const files = [
      { path: 'bascule-client.json', source: Buffer.from(JSON.stringify(about)), executable: false },
      { path: 'main.mjs', source: Buffer.from(`// ${program}\n`), executable: false },
    ];
    bundles[program] = { archive, sha256: (await packArchive(files, archive)).sha256 };
  }
  const nodeExe = join(work, 'node.exe');
  const blocks = Array.from({ length: STAND_IN_BYTES / 32 }, (_, index) => createHash('sha256').update(`${index}`).digest());
  writeFileSync(nodeExe, Buffer.concat(blocks));
  return { bundles: bundles as WindowsInstallersBuild['bundles'], nodeExe };
}

/** The real programs, with the parts of tools/windows/node_modules. */
export async function realBundles(work: string, version: string): Promise<WindowsInstallersBuild['bundles']> {
  const bundles: Partial<WindowsInstallersBuild['bundles']> = {};
  for (const program of WINDOWS_PROGRAMS) {
    const archive = join(work, `${program}-${version}.tar.zst`);
    const what = { source: CHECKOUT, program, platform: 'win32-x64' as const, version, revision: 'test', build };
    bundles[program] = { archive, sha256: (await buildClientArchive(what, archive)).sha256 };
  }
  return bundles as WindowsInstallersBuild['bundles'];
}

/** Builds the archive of a release. */
export async function builtInstallers(
  work: string,
  what: Pick<WindowsInstallersBuild, 'bundles' | 'nodeExe' | 'version'>,
  name = `installers-${what.version}.tar.zst`,
): Promise<{ file: string; sha256: string }> {
  const stub = join(work, 'stub.exe');
  await buildServiceStub(CHECKOUT, stub);
  const supervisor = join(CHECKOUT, 'packages', 'client', 'supervisor');
  const parts = { stub, supervisor: join(supervisor, 'supervisor.mjs'), launcher: join(supervisor, 'windows-launcher.mjs') };
  const file = join(work, name);
  const { sha256 } = await buildWindowsInstallers({ ...what, ...parts }, file);
  return { file, sha256 };
}

/** One package as an appliance sends it. */
export async function savedMsi(work: string, archive: { file: string; sha256: string }, input: MsiInput): Promise<string> {
  const filesDir = join(work, 'files');
  mkdirSync(filesDir, { recursive: true });
  const made = await windowsPackages({ filesDir, archive: () => archive }).buildMsi(input);
  if ('problem' in made) throw new Error(made.problem.message);
  const file = join(work, `${input.program}-${input.version}.msi`);
  await pipeline(streamOf(made.pieces), createWriteStream(file));
  return file;
}

/** Rows of a table, by msiinfo; without its three lines of head. */
export function tableOf(msi: string, table: string): string[][] {
  const text = execFileSync('msiinfo', ['export', msi, table], { encoding: 'utf8' });
  return text
    .split(/\r?\n/)
    .slice(3)
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}
