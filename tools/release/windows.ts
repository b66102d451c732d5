import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { buildClientArchive } from '@bascule/package-format/client-build.ts';
import { WINDOWS_PROGRAMS, windowsInstallersTarget } from '@bascule/package-format/windows-installers.ts';
import { clientTarget } from '@bascule/protocol/client-program.ts';
import { buildWindowsInstallers, type WindowsInstallersBuild } from '../windows/windows-installers.ts';
import { buildServiceStub, fetchWindowsParts, missingTools } from '../windows/windows-parts.ts';
import { archiveOf, noteBuilt, type Built } from './built.ts';
import { SUPERVISOR } from './client-bundle.ts';
import { ReleaseError } from './release-error.ts';

/**
 * The programs for Windows of a site release below `out`: bundles, which clients fetch to upgrade themselves, and one archive with the packages that install them. Throws ReleaseError
 * when Debian's tools are not installed here.
 */
export async function buildForWindows(source: string, version: string, revision: string, out: string): Promise<Built[]> {
  const missing = missingTools();
  if (missing.length > 0)
    throw new ReleaseError(
      `--windows needs Debian packages that are missing:  sudo apt-get install -y --no-install-recommends ${missing.join(' ')}`,
    );
  const nodeExe = await fetchWindowsParts(source);
  const bundles: Partial<WindowsInstallersBuild['bundles']> = {};
  const made: Built[] = [];
  for (const program of WINDOWS_PROGRAMS) {
    const platform = 'win32-x64';
    const target = clientTarget(program, platform, version);
    const archive = archiveOf(out, target);
    await mkdir(dirname(archive), { recursive: true });
    const { bytes, sha256 } = await buildClientArchive({ source, program, platform, version, revision, build }, archive);
    bundles[program] = { archive, sha256 };
    made.push(await noteBuilt(out, { target, bytes, sha256, manifest: null, companions: [] }));
  }
  const work = await mkdtemp(join(tmpdir(), 'bascule-stub-'));
  try {
    const stub = join(work, 'stub.exe');
    await buildServiceStub(source, stub);
    const target = windowsInstallersTarget(version);
    const { bytes, sha256 } = await buildWindowsInstallers(
      {
        version,
        bundles: bundles as WindowsInstallersBuild['bundles'],
        nodeExe,
        stub,
        supervisor: join(source, SUPERVISOR.source),
        launcher: join(source, 'packages', 'client', 'supervisor', 'windows-launcher.mjs'),
      },
      archiveOf(out, target),
    );
    made.push(await noteBuilt(out, { target, bytes, sha256, manifest: null, companions: [] }));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return made;
}
