/**
 * Makes the software of an appliance that has none, out of the seed of the operating system's package (docs/spec/boot.md, 7): started by boot, as base's user,
 * before base. What is there already stays; what was half made is made anew.
 */
import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { homePaths } from '@bascule/core/home.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import { Seed } from '@bascule/package-format/seed.ts';
import { UpdateClient, type Release } from '@bascule/package-format/update-client.ts';
import { Slots, type SlotKind } from './software/slots.ts';

const EXIT_CANNOT_WORK = 4;
process.umask(0o077);
const log = createLog('seed');
const stopping = new AbortController();
// Without boot nobody waits for it.
process.on('disconnect', () => process.exit(1));

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { home = '', seed: folder = '' } = parseArgs({ options: { home: text, seed: text } }).values;
  const paths = homePaths(home);
  const slots = new Slots(paths);
  const seed = await Seed.open(folder);
  const client = await UpdateClient.open({ directory: paths.updates, now: Date.now, log });
  await seed.trust(client);
  const releases = await seed.releases(client);
  checkSite(paths.siteSoftware, releases.site);
  slots.removeLeftovers();
  // base last: boot looks for it, and then all of it is there.
  for (const kind of ['site', 'base'] as const) slots.point(kind, 'current', await place(kind, releases[kind]));
  log.info({ base: releases.base.target, site: releases.site.target }, 'seed.placed');

  async function place(kind: SlotKind, release: Release): Promise<string> {
    const hasRuntime = (sha256: string): boolean => slots.hasRuntime(sha256);
    const { archive, runtimeArchive } = await seed.take(client, release, { hasRuntime });
    const { manifest, sha256 } = release;
    if (manifest === undefined) throw new Error(`bug: ${release.target} has no manifest`);
    return await slots.stage({
      kind,
      manifest,
      sha256,
      archive,
      runtimeArchive,
      signal: stopping.signal,
      onProgress: () => undefined,
    });
  }
}

/** A site of another version without a base is damage, and putting the seed's in its place could go back to an older one. */
function checkSite(siteSoftware: string, { manifest, sha256 }: Release): void {
  const pointer = join(siteSoftware, 'current');
  if (lstatSync(pointer, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  const folder = readlinkSync(pointer);
  if (folder === Slots.folderName(manifest?.version ?? '', sha256) || !existsSync(pointer)) return;
  throw new AppError(
    'conflict',
    'SEED_SITE_THERE',
    `${siteSoftware} has the site ${folder}, but there is no base beside it: bring the folder software back from a copy, or move it aside and start again.`,
  );
}

try {
  await main();
  process.exit(0);
} catch (error) {
  log.fatal({ err: error }, 'seed.failed');
  const message = error instanceof Error ? error.message : String(error);
  if (process.send === undefined) process.stderr.write(`${message}\n`);
  else await new Promise((resolve) => process.send?.({ kind: 'failed', message }, resolve));
  process.exit(EXIT_CANNOT_WORK);
}
