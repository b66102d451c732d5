/** Windows packages for this appliance: those of the site's release, with the values of an installer put in their places (docs/decisions/0155). */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackArchive } from '@bascule/package-format/archive.ts';
import {
  windowsInstallersAbout,
  WINDOWS_INSTALLERS_LIMITS,
  WINDOWS_PROGRAMS,
  withFields,
  type WindowsInstallersAbout,
  type WindowsPackage,
} from '@bascule/package-format/windows-installers.ts';
import type { ClientProgram } from '@bascule/protocol/client-program.ts';
import type { BuildMsi, MsiInput } from './installer-files.ts';
import { NO_MSI } from './installers-errors.ts';
import type { Piece } from './tar-pieces.ts';

/** Unpacked ones have 43 MB each: of the running version, the next, and one that somebody just asked for. */
const UNPACKED_MAX = 3;
/** What is larger than this is sent from its file; what is smaller is read, and may hold fields. */
const READ_LIMIT_BYTES = 8 * 1024 * 1024;

export interface WindowsPackagesOptions {
  /** The site's `files`. */
  filesDir: string;
  /** The archive of a version's packages. */
  archive(version: string): { file: string; sha256: string } | undefined;
}

/** Gives what puts Windows packages together: nothing is compiled or packed here, values are written where the release left room for them. */
export function windowsPackages({ filesDir, archive }: WindowsPackagesOptions): {
  buildMsi: BuildMsi;
  hasMsi(program: ClientProgram, version: string): boolean;
} {
  const folder = join(filesDir, 'windows-installers');
  let turn: Promise<unknown> = Promise.resolve();
  /** One after the other: two would unpack the same. */
  const unpacked = (file: string, sha256: string): Promise<Unpacked> => {
    const next = turn.then(() => unpack(folder, file, sha256));
    turn = next.catch(() => undefined);
    return next;
  };
  const hasMsi = (program: ClientProgram, version: string) =>
    (WINDOWS_PROGRAMS as readonly ClientProgram[]).includes(program) && archive(version) !== undefined;
  const buildMsi: BuildMsi = async (input) => {
    const found = archive(input.version);
    if (found === undefined) return { problem: NO_MSI };
    const { directory, about } = await unpacked(found.file, found.sha256);
    const wanted = about.packages.find(({ program }) => program === input.program);
    return wanted === undefined ? { problem: NO_MSI } : { pieces: await filledPieces(directory, wanted, input) };
  };
  return { buildMsi, hasMsi };
}

async function filledPieces(directory: string, { pieces, fields }: WindowsPackage, input: MsiInput): Promise<Piece[]> {
  const { siteUrl, key, mode, waitsForVersion } = input;
  const isService = input.program !== 'console';
  const values = {
    SITE: siteUrl,
    KEY: (isService && key) || '',
    MODE: isService ? mode : '',
    WAITSFOR: (isService && waitsForVersion) || '',
  };
  const filled: Piece[] = [];
  let start = 0;
  for (const { file, bytes } of pieces) {
    const place = join(directory, file);
    filled.push(bytes > READ_LIMIT_BYTES ? { file: place, bytes } : withFields(await readFile(place), start, fields, values));
    start += bytes;
  }
  return filled;
}

interface Unpacked {
  directory: string;
  about: WindowsInstallersAbout;
}

/** Unpacks the archive into a folder named by its hash, once; the longest unused ones go. Throws the errors of `unpackArchive`, and for what is not as it was built. */
async function unpack(folder: string, archive: string, sha256: string): Promise<Unpacked> {
  const name = sha256.slice(0, 16);
  const directory = join(folder, name);
  const known = await readAbout(directory).catch(() => undefined);
  if (known !== undefined) return { directory, about: known };
  const partial = join(folder, `.${name}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await rm(partial, { recursive: true, force: true });
  await rm(directory, { recursive: true, force: true });
  try {
    await unpackArchive(archive, partial, WINDOWS_INSTALLERS_LIMITS);
    const about = await readAbout(partial);
    for (const each of about.packages) await checkPackage(partial, each);
    await rename(partial, directory);
    await removeOthers(folder, name);
    return { directory, about };
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

async function readAbout(directory: string): Promise<WindowsInstallersAbout> {
  return windowsInstallersAbout.parse(JSON.parse(await readFile(join(directory, 'about.json'), 'utf8')));
}

/** Its pieces are what the release made of it, and its fields are in pieces that are read. */
async function checkPackage(directory: string, { program, pieces, fields, sha256, bytes }: WindowsPackage): Promise<void> {
  const hash = createHash('sha256');
  let start = 0;
  for (const piece of pieces) {
    for await (const chunk of createReadStream(join(directory, piece.file))) hash.update(chunk as Buffer);
    const end = start + piece.bytes;
    const isCut = ({ offset, bytes: length }: { offset: number; bytes: number }) =>
      offset < end && offset + length > start && (offset < start || offset + length > end || piece.bytes > READ_LIMIT_BYTES);
    if (Object.values(fields).some(isCut)) throw new Error(`The Windows package of ${program} has a field across two pieces.`);
    start = end;
  }
  if (start !== bytes || hash.digest('hex') !== sha256)
    throw new Error(`The Windows package of ${program} is not what its archive says: install the site's package again.`);
}

async function removeOthers(folder: string, kept: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name !== kept && !name.startsWith('.'));
  const times = await Promise.all(names.map(async (name) => ({ name, atMs: (await stat(join(folder, name))).mtimeMs })));
  const oldest = times.toSorted((a, b) => b.atMs - a.atMs).slice(UNPACKED_MAX - 1);
  for (const { name } of oldest) await rm(join(folder, name), { recursive: true, force: true });
}
