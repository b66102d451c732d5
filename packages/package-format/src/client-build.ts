/** The archives of client programs (package-format 2.6), made the same way for a release and by a site that runs from a checkout. */
import { createReadStream, existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { constants, createZstdDecompress } from 'node:zlib';
import type { build } from 'esbuild';
import { AppError } from '@bascule/errors/app-error.ts';
import {
  clientBundleAbout,
  type ClientBundleAbout,
  type ClientPlatform,
  type ClientProgram,
} from '@bascule/protocol/client-program.ts';
import { packArchive, type ArchiveFile } from './archive.ts';
import { ByteReader } from './byte-reader.ts';
import { readTarHeader, TarFault } from './tar-format.ts';

const ABOUT_NAME = 'bascule-client.json';
const ABOUT_LIMIT_BYTES = 4096;
/** 2^24 bytes: as for packages. */
const WINDOW_LIMIT_LOG = 24;
/** The syntax that every runtime of ours knows. */
const TARGET = 'node26';
/** The platforms whose parts are in every checkout. Those for Windows are fetched for a release alone (tools/windows). */
export const BUILT_PLATFORMS: readonly ClientPlatform[] = ['linux-x64'];

const WINDOWS_TERMINAL = 'tools/windows/node_modules/@lydell/node-pty-win32-x64';

/** Native parts beside main.mjs: name in the archive, and where npm puts it. Programs that open no shells have none. */
const NATIVE_PARTS: Record<ClientPlatform, Partial<Record<ClientProgram, Record<string, string>>>> = {
  'linux-x64': { 'jump-client': { 'pty.node': 'node_modules/@lydell/node-pty-linux-x64/pty.node' } },
  'win32-x64': { 'jump-client': { 'conpty.node': `${WINDOWS_TERMINAL}/conpty.node` } },
};

export interface ClientBuild {
  /** Checkout or staged software: apps/, packages/, node_modules/. */
  source: string;
  program: ClientProgram;
  platform: ClientPlatform;
  version: string;
  revision: string;
  /** esbuild's: whoever builds brings it, so that base, which holds this package too, needs none. */
  build: typeof build;
}

/** Whether `source` has the program. */
export function hasClientProgram(source: string, program: ClientProgram): boolean {
  return existsSync(join(source, entryOf(program)));
}

/**
 * Builds the archive of one program as `to`: everything in one main.mjs, what it is, and its native part. The same sources give the same bytes, wherever they lie.
 * Throws esbuild's errors, and those of `packArchive`.
 */
export async function buildClientArchive(
  what: ClientBuild,
  to: string,
): Promise<{ bytes: number; sha256: string; about: ClientBundleAbout }> {
  const { source, program, platform, version, revision } = what;
  const about = clientBundleAbout.parse({ format: 'bascule-client/1', program, version, revision, platform });
  const bundle = await what.build({
    entryPoints: [entryOf(program)],
    // Paths in the output are relative to this folder: the same wherever the checkout lies.
    absWorkingDir: source,
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: TARGET,
    minifySyntax: true,
    minifyWhitespace: true,
    // Stack traces of a machine far away should name our functions.
    keepNames: true,
    legalComments: 'none',
    logLevel: 'silent',
    // Some of the bundled packages are CommonJS and ask for Node's own modules.
    banner: { js: "import { createRequire as requireMaker } from 'node:module'; const require = requireMaker(import.meta.url);" },
  });
  const files: ArchiveFile[] = [
    { path: ABOUT_NAME, source: Buffer.from(`${JSON.stringify(about)}\n`), executable: false },
    { path: 'main.mjs', source: bundle.outputFiles[0]!.contents, executable: false },
  ];
  for (const [path, file] of Object.entries(NATIVE_PARTS[platform][program] ?? {}))
    files.push({ path, source: join(source, file), executable: false });
  await mkdir(dirname(to), { recursive: true });
  const { bytes, sha256 } = await packArchive(files, to);
  return { bytes, sha256, about };
}

/** What a client program's archive says it is, from its first file. Verifies nothing else. Throws `CLIENT_ARCHIVE_UNREADABLE`. */
export async function readClientAbout(archive: string): Promise<ClientBundleAbout> {
  const file = createReadStream(archive);
  const decompress = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LIMIT_LOG } });
  file.on('error', (error) => decompress.destroy(error));
  try {
    const reader = new ByteReader(file.pipe(decompress), () => new TarFault('truncated', 'it ends in the middle'));
    const entry = await readTarHeader((bytes) => reader.take(bytes), undefined);
    if (entry?.path !== ABOUT_NAME || entry.bytes > ABOUT_LIMIT_BYTES)
      throw new TarFault('malformed', `it does not begin with ${ABOUT_NAME}`);
    return clientBundleAbout.parse(JSON.parse((await reader.take(entry.bytes)).toString('utf8')));
  } catch (error) {
    throw new AppError(
      'invalid',
      'CLIENT_ARCHIVE_UNREADABLE',
      `${archive} is no client program, or it is damaged: ${(error as Error).message}.`,
      { cause: error },
    );
  } finally {
    file.destroy();
    decompress.destroy();
  }
}

function entryOf(program: ClientProgram): string {
  return `apps/${program}/src/main.ts`;
}
