import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { BUILT_PLATFORMS, buildClientArchive, hasClientProgram } from '@bascule/package-format/client-build.ts';
import { CLIENT_PROGRAMS, clientTarget } from '@bascule/protocol/client-program.ts';
import { archiveOf, noteBuilt, type Built } from './built.ts';

/** What keeps a client's program running and exchanges it, for installers (docs/spec/client-supervisor.md). */
export const SUPERVISOR = { path: 'client/supervisor.mjs', source: 'packages/client/supervisor/supervisor.mjs' };

/**
 * The client programs of a site release, as endpoints get them, for every platform: `clientTarget` below `out`, signed in the role `client`, since clients
 * verify them by themselves. Built by the same builder as a site uses that runs from a checkout.
 */
export async function buildClientBundles(source: string, version: string, revision: string, out: string): Promise<Built[]> {
  const bundles: Built[] = [];
  for (const platform of BUILT_PLATFORMS)
    for (const program of CLIENT_PROGRAMS) {
      if (!hasClientProgram(source, program)) continue;
      const target = clientTarget(program, platform, version);
      const archive = archiveOf(out, target);
      await mkdir(dirname(archive), { recursive: true });
      const { bytes, sha256 } = await buildClientArchive({ source, program, platform, version, revision, build }, archive);
      bundles.push(await noteBuilt(out, { target, bytes, sha256, manifest: null, companions: [] }));
    }
  return bundles;
}

/** The supervisor in `source`. */
export function supervisorOf(source: string): string {
  return join(source, SUPERVISOR.source);
}
