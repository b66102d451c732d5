import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { packArchive, type ArchiveFile } from '@bascule/package-format/archive.ts';
import { archiveOf, noteBuilt, type Built } from './built.ts';

/**
 * The Jump Client of a site release, as endpoints get it: everything in one main.mjs, and the native part of the pseudo-terminal. Target
 * `client/jump-client-VERSION.tar.zst` below `out`, signed in the role `client`, since clients verify it by themselves.
 */
export async function buildClientBundle(source: string, version: string, revision: string, out: string): Promise<Built> {
  const bundle = await build({
    entryPoints: ['apps/jump-client/src/main.ts'],
    // Paths in the output are relative to this folder: the same wherever the checkout lies.
    absWorkingDir: source,
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    minifySyntax: true,
    logLevel: 'silent',
    // Some of the bundled packages are CommonJS and ask for Node's own modules.
    banner: { js: "import { createRequire as requireMaker } from 'node:module'; const require = requireMaker(import.meta.url);" },
  });
  const about = { format: 'bascule-client/1', program: 'jump-client', version, revision };
  const files: ArchiveFile[] = [
    { path: 'bascule-client.json', source: Buffer.from(`${JSON.stringify(about)}\n`), executable: false },
    { path: 'main.mjs', source: bundle.outputFiles[0]!.contents, executable: false },
    { path: 'pty.node', source: join(source, 'node_modules/@lydell/node-pty-linux-x64/pty.node'), executable: false },
  ];
  const target = `client/jump-client-${version}.tar.zst`;
  await mkdir(join(out, 'client'), { recursive: true });
  const { bytes, sha256 } = await packArchive(files, archiveOf(out, target));
  return await noteBuilt(out, { target, bytes, sha256, manifest: null });
}
