import { statfsSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import type { ClientBundleAbout, ClientMode, ClientSoftware } from '@bascule/protocol/client-program.ts';
import { fingerprintOf } from './client-home.ts';
import type { ClientOptions } from './options.ts';

/** What `hello` says of the software (protocol `clientSoftware`). `isTrial`: it is a candidate, and not the current program yet. */
export function describeSoftware(
  about: ClientBundleAbout,
  options: ClientOptions,
  state: { mode: ClientMode; upgradable: boolean; isTrial: boolean; authority: string },
): ClientSoftware {
  const { host, port, proxy, folder, home } = options;
  const { program, version, revision, platform } = about;
  const running = state.isTrial ? folder?.trial()?.folder : folder?.pointer('current');
  const runtime = running === undefined ? undefined : folder?.runtimeOf(running);
  return {
    program,
    version,
    revision,
    platform,
    mode: state.mode,
    bundle: (running !== undefined && folder?.archiveOf(running)) || null,
    runtime: (runtime !== undefined && folder?.runtimeArchiveOf(runtime)) || null,
    upgradable: state.upgradable,
    trial: state.isTrial,
    dials: { host, port, proxy: proxy !== undefined },
    freeBytes: freeBytesNow(folder?.directory ?? home),
    authority: fingerprintOf(new X509Certificate(state.authority).raw),
  };
}

function freeBytesNow(directory: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    return null;
  }
}
