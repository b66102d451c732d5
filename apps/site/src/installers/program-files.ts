/** The program folder of an endpoint as installers bring it (docs/spec/client-supervisor.md, section 1). */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientBundleAbout, ClientProgram } from '@bascule/protocol/client-program.ts';
import { unpackArchive } from '@bascule/package-format/archive.ts';
import type { ProgramArchive } from './installer-programs.ts';
import { launcherName, launcherScript } from './launcher.ts';
import type { StoredRuntime } from './stored-runtime.ts';
import type { TarEntry } from './tar-pieces.ts';

/** No bundle of ours comes near. */
const BUNDLE_LIMITS = { unpackedBytes: 64 * 1024 * 1024, fileCount: 100 };

/** One version of a program, in memory: less than a megabyte or two. */
export interface UnpackedBundle {
  about: ClientBundleAbout;
  /** Its folder in `bundles/`. */
  folder: string;
  archiveSha256: string;
  files: { name: string; bytes: Uint8Array }[];
}

/** Reads the files of a bundle's archive. Throws the errors of package-format's `unpackArchive`. */
export async function unpackBundle(archive: ProgramArchive): Promise<UnpackedBundle> {
  const work = await mkdtemp(join(tmpdir(), 'bascule-bundle-'));
  try {
    const into = join(work, 'bundle');
    await unpackArchive(archive.file, into, BUNDLE_LIMITS);
    const names = (await readdir(into, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(into.length + 1))
      .sort();
    const files = await Promise.all(names.map(async (name) => ({ name, bytes: await readFile(join(into, name)) })));
    return {
      about: archive.about,
      folder: `${archive.about.version}-${archive.sha256.slice(0, 12)}`,
      archiveSha256: archive.sha256,
      files,
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What is the same for every installation of this program in this version. */
export interface ProgramParts {
  program: ClientProgram;
  bundle: UnpackedBundle;
  runtime: StoredRuntime;
  /** The text of supervisor.mjs. */
  supervisor: Uint8Array;
  /** The root of trust in updates, when this site has one. */
  trustedRoot: Uint8Array | undefined;
}

/** Where a client looks for the root of trust that its installer brought. */
export const TRUSTED_ROOT_FILE = 'update-root.json';

/** Launcher, supervisor, bundle: everything of a program folder but the runtime. Paths are relative to that folder. */
export function programEntries({ program, bundle, runtime, supervisor, trustedRoot }: ProgramParts): TarEntry[] {
  const inBundle = `bundles/${bundle.folder}`;
  const text = (path: string, content: string): TarEntry => ({ path, mode: 0o644, content: Buffer.from(content) });
  return [
    { path: launcherName(program), mode: 0o755, content: Buffer.from(launcherScript(program)) },
    // The console has none: its launcher does what it needs.
    ...(program === 'console' ? [] : [{ path: 'supervisor.mjs', mode: 0o644, content: supervisor }]),
    ...(trustedRoot === undefined ? [] : [{ path: TRUSTED_ROOT_FILE, mode: 0o644, content: trustedRoot }]),
    ...bundle.files.map(({ name, bytes }) => ({ path: `${inBundle}/${name}`, mode: 0o644, content: bytes })),
    text(`${inBundle}/runtime.txt`, `${runtime.folder}\n`),
    text(`${inBundle}/archive.txt`, `${bundle.archiveSha256}\n`),
  ];
}

/** The runtime of a program folder, with the libraries it needs or without them. */
export function runtimeEntries(runtime: StoredRuntime, { withLibraries }: { withLibraries: boolean }): TarEntry[] {
  const inRuntime = `runtimes/${runtime.folder}`;
  const about = Buffer.from(`${JSON.stringify({ sha256: runtime.archiveSha256 })}\n`);
  const libraries = withLibraries ? runtime.libraries : [];
  return [
    { path: `${inRuntime}/bin/node`, mode: 0o755, content: runtime.node },
    { path: `${inRuntime}/bascule-runtime.json`, mode: 0o644, content: about },
    ...libraries.map(({ name, content }) => ({ path: `lib/${name}`, mode: 0o644, content })),
  ];
}
