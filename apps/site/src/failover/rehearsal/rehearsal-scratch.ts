/** The scratch copy of a test of the standby (B133): a folder beside the site's, made anew for each test, and erased after it (docs/decisions/0250). */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sitePaths } from '@bascule/core/home.ts';
import type { SiteStart } from '@bascule/protocol/base-site.ts';
import type { RehearsalOrder } from '@bascule/protocol/rehearsal.ts';
import { readGeneration } from '@bascule/store/generation-file.ts';
import type { Store } from '@bascule/store/store.ts';
import type { SiteConfig } from '../../config/config.ts';
import { checkSpace } from '../free-space.ts';
import { archiveKeys, eraseArchivedKeys } from '../key-archive.ts';

/** The copy itself, and what comes to it: its migrations, and the export of its audit. */
const COPIES_OF_DATABASE = 2;
/** Below the run folder of main: the path of a Unix socket is short. */
const RUN_FOLDER = 't';

export type RehearsalNames = Extract<RehearsalOrder, { kind: 'begin' }>['names'];

/** Where a scratch copy is, and the sockets of its program. */
export function scratchPaths({ paths }: SiteConfig): ReturnType<typeof sitePaths> {
  return sitePaths(paths.rehearsal, join(paths.run, RUN_FOLDER));
}

/** Whether a scratch copy is there, of this process or of one before it. */
export function hasScratch({ paths }: SiteConfig): boolean {
  return existsSync(paths.rehearsal);
}

/**
 * Copies database and keys of the standby into the scratch folder, which no other user may open. Throws `STORE_DISK_FULL` before anything is written when they would not fit; what
 * fails later leaves a part, which `eraseScratch` removes.
 */
export async function makeScratch(config: SiteConfig, store: Store): Promise<void> {
  const { rehearsal, keys, site } = config.paths;
  await checkSpace(site, store.fileBytes * COPIES_OF_DATABASE);
  mkdirSync(rehearsal, { recursive: true, mode: 0o700 });
  const scratch = sitePaths(rehearsal);
  await store.snapshot(scratch.database);
  // The scratch copy is nobody's pair: the keys of the appliance itself stay away.
  archiveKeys(keys, scratch.keys);
  // As the database says: nobody else writes to this copy, and nobody raises it.
  copyFileSync(config.paths.generation, scratch.generation);
}

/** Removes the copies of keys alone. */
export function eraseScratchKeys({ paths }: SiteConfig): void {
  eraseArchivedKeys(sitePaths(paths.rehearsal).keys);
}

/** Removes everything of a scratch copy: keys first, so that a cut in the middle leaves none. */
export async function eraseScratch(config: SiteConfig): Promise<void> {
  const { rehearsal, run } = config.paths;
  eraseScratchKeys(config);
  // The database may be large: whoever serves here does not wait for it.
  await rm(rehearsal, { recursive: true, force: true });
  await rm(join(run, RUN_FOLDER), { recursive: true, force: true });
}

/** How a program opens the scratch copy: as base would start a site on it, under the names by which people reach the primary. */
export function scratchStart(config: SiteConfig, names: RehearsalNames): SiteStart {
  const { paths: _paths, webDir: _web, verifyTool: _verify, keyFile: _key, mode: _mode, ...start } = config;
  const { site, run, generation } = scratchPaths(config);
  return { ...start, ...names, siteDir: site, runDir: run, generation: readGeneration(generation), isCommitted: true };
}
