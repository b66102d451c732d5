import { copyFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { packArchive } from '@bascule/package-format/archive.ts';
import { archiveOf, noteBuilt, sha256Of, type Built } from './built.ts';
import { ReleaseError } from './release-error.ts';

/** Rises when the same Node would give other bytes: with the packer's settings. */
const CACHE_FORMAT = 1;
const lockFile = z.object({ packages: z.record(z.string(), z.object({ integrity: z.string().optional() })) });

/**
 * The archive of the checkout's Node: `runtime/<its sha256>.tar.zst` below `out`, with bin/node and its licence. Packing takes some seconds, so that it is kept
 * in the user's cache under the integrity hash that npm checked the Node by.
 */
export async function buildRuntime(source: string, out: string): Promise<Built> {
  const cached = await cachedArchive(source);
  const target = `runtime/${cached.sha256}.tar.zst`;
  await mkdir(join(out, 'runtime'), { recursive: true });
  const archive = archiveOf(out, target);
  if ((await sizeOf(archive)) !== cached.bytes || (await sha256Of(archive)) !== cached.sha256) {
    await copyFile(cached.file, `${archive}.new`);
    await rename(`${archive}.new`, archive);
  }
  return await noteBuilt(out, { target, bytes: cached.bytes, sha256: cached.sha256, manifest: null, companions: [] });
}

/** The line that tools/release/runtimes.json needs for this checkout's Node: the integrity hash of npm's package → the archive's SHA-256. */
export async function runtimeRecord(source: string): Promise<[integrity: string, sha256: string]> {
  return [await integrityOf(source), (await cachedArchive(source)).sha256];
}

async function cachedArchive(source: string): Promise<{ file: string; sha256: string; bytes: number }> {
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'bascule', 'runtimes');
  const integrity = await integrityOf(source);
  const name = Buffer.from(`${CACHE_FORMAT}-${integrity}`).toString('base64url').slice(0, 80);
  const file = join(folder, `${name}.tar.zst`);
  const sha256 = (await readFile(`${file}.sha256`, 'utf8').catch(() => '')).trim();
  const bytes = await sizeOf(file);
  if (bytes !== undefined && (await sha256Of(file)) === sha256) return { file, sha256, bytes };
  await mkdir(folder, { recursive: true });
  const packed = await pack(source, `${file}.${process.pid}`);
  await writeFile(`${file}.sha256`, packed.sha256);
  await rename(`${file}.${process.pid}`, file);
  return { file, ...packed };
}

async function pack(source: string, target: string): Promise<{ sha256: string; bytes: number }> {
  const folder = join(source, runtimePackage());
  const files = [{ path: 'bin/node', source: join(folder, 'bin', 'node'), executable: true }];
  const licence = join(folder, 'LICENSE');
  if ((await sizeOf(licence)) !== undefined) files.push({ path: 'LICENSE', source: licence, executable: false });
  try {
    return await packArchive(files, target);
  } catch (error) {
    await rm(target, { force: true });
    throw error;
  }
}

async function integrityOf(source: string): Promise<string> {
  const lock = lockFile.parse(JSON.parse(await readFile(join(source, 'package-lock.json'), 'utf8')));
  const integrity = lock.packages[runtimePackage()]?.integrity;
  if (integrity === undefined)
    throw new ReleaseError(`package-lock.json in ${source} names no Node for this machine (${runtimePackage()}).`);
  return integrity;
}

function runtimePackage(): string {
  return `node_modules/node-${process.platform}-${process.arch}`;
}

async function sizeOf(file: string): Promise<number | undefined> {
  return (await stat(file).catch(() => undefined))?.size;
}
