import { AppError } from '@bascule/errors/app-error.ts';
import { Seed } from '@bascule/package-format/seed.ts';
import type { UpdateClient } from '@bascule/package-format/update-client.ts';
import { isNewer } from './updates-bundle.ts';
import type { SoftwareHere } from './updates-offers.ts';

export interface SeedContext {
  client: UpdateClient;
  installed(): SoftwareHere;
  signal: AbortSignal;
}

/**
 * Takes out of the seed in `folder` what is newer than what is installed and not here yet, so that it is offered; gives its targets. Nothing is installed, and
 * what is older is left alone. Throws `SEED_UNREADABLE`, `SEED_OTHER_PUBLISHER`, `DISK_FULL`, `PACKAGE_HASH`.
 */
export async function takeSeed(folder: string, { client, installed, signal }: SeedContext): Promise<string[]> {
  const seed = await Seed.open(folder);
  await seed.trust(client, signal);
  const releases = await seed.releases(client, signal).catch((error: unknown) => {
    throw new AppError(
      'conflict',
      'SEED_OTHER_PUBLISHER',
      `The packages in ${folder} are not signed by the publisher whom this appliance trusts; they are not offered.`,
      { cause: error },
    );
  });
  const { packages, runtimes } = installed();
  const taken: string[] = [];
  for (const release of [releases.base, releases.site]) {
    const { manifest, target } = release;
    if (manifest === undefined || !isNewer(manifest, packages) || client.pathOf(target) !== undefined) continue;
    await seed.take(client, release, { hasRuntime: (sha256) => runtimes.includes(sha256), signal });
    taken.push(target);
  }
  return taken;
}
