/** The client programs of each version that this site ran, in `files/clients/<version>/`: clients that slept catch up one version after the other. */
import { copyFile, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { syncFolder, writeNewFile } from '@bascule/core/durable-file.ts';
import { readClientAbout } from '@bascule/package-format/client-build.ts';
import { sha256OfFile } from '@bascule/package-format/file-hash.ts';
import { compareVersions } from '@bascule/package-format/version.ts';
import { windowsInstallersTarget } from '@bascule/package-format/windows-installers.ts';
import {
  CLIENT_PLATFORMS,
  CLIENT_PROGRAMS,
  clientBundleAbout,
  clientTarget,
  type ClientPlatform,
  type ClientProgram,
} from '@bascule/protocol/client-program.ts';
import { packageVersion } from '@bascule/protocol/package-manifest.ts';
import { byteCount, sha256Hex } from '@bascule/protocol/text.ts';

/** Two years of a release each month or so; three programs of a few hundred kilobytes each. A client that is older takes the oldest that is kept first. */
export const CLIENT_VERSIONS_KEPT_MAX = 20;
/** Windows packages have some 40 MB a version: those of the running one, and the earlier ones that can be downloaded (B99). */
export const WINDOWS_INSTALLERS_KEPT_MAX = 6;
const NOTE_NAME = 'programs.json';
const SUPERVISOR_NAME = 'supervisor.mjs';
const MANIFEST_NAME = 'bascule-package.json';

const keptArchive = z.object({
  program: z.enum(CLIENT_PROGRAMS),
  platform: z.enum(CLIENT_PLATFORMS),
  name: z.string().regex(/^[a-z0-9.-]+\.tar\.zst$/),
  bytes: byteCount,
  sha256: sha256Hex,
  about: clientBundleAbout,
});
const programSet = z.object({
  version: packageVersion,
  revision: z.string().max(40),
  /** SHA-256 of the runtime's archive that the version came with. */
  runtime: sha256Hex.nullable(),
  archives: z.array(keptArchive).max(CLIENT_PROGRAMS.length * CLIENT_PLATFORMS.length),
  /** Of a release that was built with Windows packages; their file is kept for a while only. */
  windowsInstallers: z
    .object({ name: z.string().regex(/^windows-installers-[0-9.]+\.tar\.zst$/), bytes: byteCount, sha256: sha256Hex })
    .optional(),
});
const packageFacts = z.object({
  version: packageVersion,
  revision: z.string().max(40),
  runtime: sha256Hex.nullable(),
});

export type KeptArchive = z.infer<typeof keptArchive>;
export interface ProgramSet extends z.infer<typeof programSet> {
  /** Where the archives are. */
  directory: string;
}

/** What the package in `directory` says of itself; undefined for a bare checkout. */
export async function readPackageFacts(directory: string): Promise<z.infer<typeof packageFacts> | undefined> {
  const text = await readFile(join(directory, MANIFEST_NAME), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : packageFacts.safeParse(JSON.parse(text)).data;
}

/**
 * The client programs of a package that is unpacked in `directory`: what lies in its `client/`. Undefined when it has none (a checkout). Throws
 * `CLIENT_ARCHIVE_UNREADABLE` for a damaged one.
 */
export async function readProgramSet(directory: string): Promise<ProgramSet | undefined> {
  const facts = await readPackageFacts(directory);
  if (facts === undefined) return undefined;
  const folder = join(directory, 'client');
  const archives: KeptArchive[] = [];
  for (const { program, platform, name } of namesOf(facts.version)) {
    const file = join(folder, name);
    const found = await stat(file).catch(() => undefined);
    if (found === undefined) continue;
    const about = await readClientAbout(file);
    archives.push({ program, platform, name, bytes: found.size, sha256: await sha256OfFile(file), about });
  }
  if (archives.length === 0) return undefined;
  const windowsInstallers = await windowsInstallersIn(folder, facts.version);
  return { ...facts, archives, ...(windowsInstallers && { windowsInstallers }), directory: folder };
}

async function windowsInstallersIn(folder: string, version: string): Promise<ProgramSet['windowsInstallers']> {
  const name = windowsInstallersTarget(version).replace(/^client\//, '');
  const found = await stat(join(folder, name)).catch(() => undefined);
  return found && { name, bytes: found.size, sha256: await sha256OfFile(join(folder, name)) };
}

/** Reads what is kept in `folder` (`files/clients`), oldest first, and removes what a cut left there. What is incomplete does not count. */
export async function readKept(folder: string): Promise<ProgramSet[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const sets: ProgramSet[] = [];
  for (const name of await readdir(folder)) {
    if (name.startsWith('.')) await rm(join(folder, name), { recursive: true, force: true });
    if (!packageVersion.safeParse(name).success) continue;
    const set = await readSet(join(folder, name));
    if (set?.version === name) sets.push(set);
  }
  return sets.toSorted((a, b) => compareVersions(a.version, b.version));
}

/**
 * Copies `set` into `folder`, durably: whole or not at all; another set of that version is replaced. Then the oldest beyond `CLIENT_VERSIONS_KEPT_MAX` go.
 * Rejects with what the file system says (a full disk): what is kept stays.
 */
export async function keepSet(folder: string, set: ProgramSet): Promise<void> {
  const place = join(folder, set.version);
  const there = await readSet(place);
  if (there && JSON.stringify(contentOf(there)) === JSON.stringify(contentOf(set))) return;
  const made = join(folder, `.${set.version}.new`);
  await rm(made, { recursive: true, force: true });
  await mkdir(made, { mode: 0o700 });
  try {
    const { directory, ...note } = set;
    const names = [...set.archives, ...(set.windowsInstallers ? [set.windowsInstallers] : [])].map(({ name }) => name);
    if (await isThere(join(directory, SUPERVISOR_NAME))) names.push(SUPERVISOR_NAME);
    for (const name of names) {
      await copyFile(join(directory, name), join(made, name));
      await syncFolder(join(made, name));
    }
    await writeNewFile(join(made, NOTE_NAME), JSON.stringify(note));
    await syncFolder(made);
    await rm(place, { recursive: true, force: true });
    await rename(made, place);
    await syncFolder(folder);
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    throw error;
  }
  const versions = (await readKept(folder)).map(({ version }) => version);
  for (const version of versions.slice(0, Math.max(0, versions.length - CLIENT_VERSIONS_KEPT_MAX)))
    await rm(join(folder, version), { recursive: true, force: true });
  for (const { windowsInstallers, directory } of (await readKept(folder)).slice(0, -WINDOWS_INSTALLERS_KEPT_MAX))
    if (windowsInstallers !== undefined) await rm(join(directory, windowsInstallers.name), { force: true });
}

function contentOf({ archives, windowsInstallers }: ProgramSet): unknown {
  return { archives, windowsInstallers };
}

/** The supervisor in a folder of programs, if it is there. */
export async function supervisorIn(directory: string): Promise<string | undefined> {
  const file = join(directory, SUPERVISOR_NAME);
  return (await isThere(file)) ? file : undefined;
}

async function readSet(directory: string): Promise<ProgramSet | undefined> {
  const text = await readFile(join(directory, NOTE_NAME), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const note = programSet.safeParse(parseJson(text));
  if (!note.success) return undefined;
  for (const { name, bytes } of note.data.archives)
    if ((await stat(join(directory, name)).catch(() => undefined))?.size !== bytes) return undefined;
  return { ...note.data, directory };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function isThere(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined)) !== undefined;
}

function namesOf(version: string): { program: ClientProgram; platform: ClientPlatform; name: string }[] {
  return CLIENT_PROGRAMS.flatMap((program) =>
    CLIENT_PLATFORMS.map((platform) => ({
      program,
      platform,
      name: clientTarget(program, platform, version).replace(/^client\//, ''),
    })),
  );
}
