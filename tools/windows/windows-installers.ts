/**
 * The Windows packages of a site release, as `client/windows-installers-<version>.tar.zst`: each in pieces, since node.exe, which is nearly all of them, is in each the same
 * run of bytes, and is kept once (docs/spec/package-format.md, 9.7).
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packArchive, unpackArchive, type ArchiveFile } from '@bascule/package-format/archive.ts';
import { sha256OfFile } from '@bascule/package-format/file-hash.ts';
import {
  WINDOWS_PROGRAMS,
  windowsInstallersAbout,
  type WindowsInstallersAbout,
} from '@bascule/package-format/windows-installers.ts';
import { buildMsi } from './msi.ts';
import { findFields, MSI_FIELDS, placeholderOf, type MsiFieldName } from './msi-fields.ts';
import { productCodeOf, type MsiFile, type MsiProgram } from './msi-source.ts';

const BUNDLE_LIMITS = { unpackedBytes: 64 * 1024 * 1024, fileCount: 50 };
/** A run of equal bytes is looked for by so many of them. */
const ANCHOR_BYTES = 4096;
const STUB = 'bascule-jump-client.exe';
const LAUNCHER = 'windows-launcher.mjs';
/** Value in the registry → property. PROXY and NAME are only given by a person at the installation. */
const REGISTRY = { Site: 'SITE', Key: 'KEY', Mode: 'MODE', WaitsFor: 'WAITSFOR', Proxy: 'PROXY', Name: 'NAME' };
type WindowsProgram = (typeof WINDOWS_PROGRAMS)[number];

export interface WindowsInstallersBuild {
  version: string;
  /** Bundles for win32-x64 by program. */
  bundles: Record<WindowsProgram, { archive: string; sha256: string }>;
  nodeExe: string;
  /** The compiled service stub. */
  stub: string;
  /** supervisor.mjs and windows-launcher.mjs. */
  supervisor: string;
  launcher: string;
}

/** Builds the packages and the archive `to`. Rejects with what the tools say. */
export async function buildWindowsInstallers(
  what: WindowsInstallersBuild,
  to: string,
): Promise<{ bytes: number; sha256: string; about: WindowsInstallersAbout }> {
  const work = await mkdtemp(join(tmpdir(), 'bascule-windows-'));
  try {
    const built = [];
    for (const program of WINDOWS_PROGRAMS) {
      const folder = join(work, program);
      await mkdir(folder);
      built.push({
        program,
        msi: await buildMsi(await programOf(what, program, folder), { work: folder, isOnPath: program === 'console' }),
      });
    }
    const { about, files } = inPieces(what.version, built);
    const described = { path: 'about.json', source: Buffer.from(`${JSON.stringify(about)}\n`), executable: false };
    return { ...(await packArchive([described, ...files], to)), about };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What goes into one package; the files are gathered in `folder`. */
async function programOf(what: WindowsInstallersBuild, program: WindowsProgram, folder: string): Promise<MsiProgram> {
  const { version, nodeExe, bundles } = what;
  const files: MsiFile[] = [];
  const add = async (path: string, source: string | Buffer) => {
    const name = `part${files.length}`;
    await (typeof source === 'string' ? copyFile(source, join(folder, name)) : writeFile(join(folder, name), source));
    files.push({ path, source: name });
  };
  const { archive, sha256 } = bundles[program];
  const bundle = `${version}-${sha256.slice(0, 12)}`;
  const runtime = (await sha256OfFile(nodeExe)).slice(0, 16);
  const inRuntime = `runtimes/${runtime}`;
  const node = `${inRuntime.replaceAll('/', '\\')}\\node.exe`;
  const isService = program === 'jump-client';
  const main = isService ? STUB : 'bascule.cmd';
  // First, so that its compressed bytes are the same in all packages.
  await add(`${inRuntime}/node.exe`, nodeExe);
  await add(main, isService ? what.stub : commandFile(`"%~dp0${node}" "%~dp0bundles\\${bundle}\\main.mjs"`));
  await add(`${inRuntime}/bascule-runtime.json`, Buffer.from(`${JSON.stringify({ sha256: null })}\n`));
  const unpacked = join(folder, 'bundle');
  await unpackArchive(archive, unpacked, BUNDLE_LIMITS);
  for (const name of (await readdir(unpacked)).sort()) await add(`bundles/${bundle}/${name}`, join(unpacked, name));
  await add(`bundles/${bundle}/runtime.txt`, Buffer.from(`${runtime}\n`));
  await add(`bundles/${bundle}/archive.txt`, Buffer.from(`${sha256}\n`));
  const productCode = productCodeOf(program, version);
  if (isService) {
    await add('supervisor.mjs', what.supervisor);
    await add(LAUNCHER, what.launcher);
    await add('windows-package.json', Buffer.from(`${JSON.stringify({ program, bundle, productCode })}\n`));
    await add('bascule-client.cmd', commandFile(`"%~dp0${STUB}" --run "${node}" ${LAUNCHER}`));
  } else {
    await add('current', Buffer.from(`${bundle}\n`));
    await add('locked', Buffer.from('Windows keeps this console up to date by its package.\n'));
  }
  return {
    program,
    title: isService ? 'Bascule Jump Client' : 'Bascule Console',
    version,
    files,
    main,
    registry: isService ? REGISTRY : { Site: 'SITE' },
    properties: Object.fromEntries(Object.keys(MSI_FIELDS).map((name) => [name, placeholderOf(name as MsiFieldName)])),
    service: isService ? { name: 'BasculeJumpClient', arguments: `${node} ${LAUNCHER}` } : null,
  };
}

/** A batch file that passes its arguments and its exit code on. */
function commandFile(command: string): Buffer {
  return Buffer.from(['@echo off', 'setlocal', 'set NODE_OPTIONS=', 'set NODE_PATH=', `${command} %*`, ''].join('\r\n'));
}

/** The packages as pieces, what they have in common once. */
function inPieces(
  version: string,
  built: { program: WindowsProgram; msi: Buffer }[],
): { about: WindowsInstallersAbout; files: ArchiveFile[] } {
  const [first, second] = built.map(({ msi }) => msi);
  const common = first && second && commonRun(first, second);
  const files: ArchiveFile[] = common ? [{ path: 'common.bin', source: common, executable: false }] : [];
  const packages = built.map(({ program, msi }) => {
    const at = common ? msi.indexOf(common) : -1;
    const parts = at < 0 || !common ? [msi] : [msi.subarray(0, at), common, msi.subarray(at + common.length)];
    const pieces = parts.map((bytes, index) => {
      if (bytes === common) return { file: 'common.bin', bytes: bytes.length };
      const file = `${program}-${index}.bin`;
      files.push({ path: file, source: bytes, executable: false });
      return { file, bytes: bytes.length };
    });
    const sha256 = createHash('sha256').update(msi).digest('hex');
    return { program, productCode: productCodeOf(program, version), bytes: msi.length, sha256, pieces, fields: findFields(msi) };
  });
  return { about: windowsInstallersAbout.parse({ format: 'bascule-windows-installers/1', version, packages }), files };
}

/** The longest run of bytes around the middle of `first` that is in `second` too. */
export function commonRun(first: Buffer, second: Buffer): Buffer | undefined {
  const middle = Math.floor(first.length / 2);
  if (first.length < ANCHOR_BYTES * 2) return undefined;
  const at = second.indexOf(first.subarray(middle, middle + ANCHOR_BYTES));
  if (at < 0) return undefined;
  let [before, after] = [0, ANCHOR_BYTES];
  while (before < Math.min(middle, at) && first[middle - before - 1] === second[at - before - 1]) before += 1;
  while (middle + after < first.length && first[middle + after] === second[at + after]) after += 1;
  return first.subarray(middle - before, middle + after);
}
