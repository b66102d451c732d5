/** The seed of an operating system's package (package-format 10): a mirror in a folder, with what an appliance is made of, and `seed.json`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { FolderMirror } from './folder-mirror.ts';
import { runtimeTarget } from './planner.ts';
import type { Release, UpdateClient } from './update-client.ts';

export const SEED_FILE = 'seed.json';

const target = z.string().min(1).max(300);
const seedAbout = z.object({
  format: z.literal('bascule-seed/1'),
  /** TUF targets; their runtimes are there too. */
  base: target,
  site: target,
});
export type SeedAbout = z.infer<typeof seedAbout>;

/** A package of the seed, verified, with its runtime unless that was not wanted. */
export interface SeedPackage {
  release: Release;
  archive: string;
  runtimeArchive: string | undefined;
}

/** A seed on disk. What is in it is trusted no more than any mirror; but who put it there is root, as boot is. */
export class Seed {
  readonly about: SeedAbout;
  readonly #mirror: FolderMirror;

  private constructor(about: SeedAbout, mirror: FolderMirror) {
    this.about = about;
    this.#mirror = mirror;
  }

  /** Opens the seed in `folder`. Throws `SEED_UNREADABLE`. */
  static async open(folder: string): Promise<Seed> {
    try {
      return new Seed(seedAbout.parse(JSON.parse(await readFile(join(folder, SEED_FILE), 'utf8'))), new FolderMirror(folder));
    } catch (error) {
      throw new AppError(
        'invalid',
        'SEED_UNREADABLE',
        `The software in ${folder} is missing or damaged: install the package bascule-appliance again.`,
        { cause: error },
      );
    }
  }

  /**
   * Trusts the root of the seed when `client` trusts none yet, and gives it then: whoever installed the package compared it already (package-format 10.3).
   * Throws `TRUST_INVALID`, `MIRROR_INCOMPLETE`.
   */
  async trust(client: UpdateClient, signal?: AbortSignal): Promise<{ sha256: string; version: number } | undefined> {
    if (client.trust() !== undefined) return undefined;
    const root = await client.readRoot(this.#mirror, signal);
    await client.confirmTrust(root.bytes);
    return root;
  }

  /**
   * Base and site as the trusted metadata names them, brought up to date from the seed where that is newer. Throws as `UpdateClient.refresh` when they are not
   * known then: the seed is of somebody else than who is trusted.
   */
  async releases(client: UpdateClient, signal?: AbortSignal): Promise<{ base: Release; site: Release }> {
    let failure: unknown;
    try {
      await client.refresh(this.#mirror, signal, { undated: true });
    } catch (error) {
      // Newer metadata is here already, and names what is in the seed: what was published never changes.
      failure = error;
    }
    const known = (name: string): Release => {
      const release = client.find(name);
      if (release?.manifest !== undefined) return release;
      throw failure ?? new AppError('invalid', 'PACKAGE_UNKNOWN', `No signed metadata names ${name}.`);
    };
    return { base: known(this.about.base), site: known(this.about.site) };
  }

  /** Takes `release` and, unless `hasRuntime`, its runtime out of the seed, verified. Throws as `UpdateClient.obtain`. */
  async take(
    client: UpdateClient,
    release: Release,
    { hasRuntime, signal }: { hasRuntime(sha256: string): boolean; signal?: AbortSignal },
  ): Promise<SeedPackage> {
    const { runtime = null } = release.manifest ?? {};
    const options = { signal, undated: true };
    const needsRuntime = runtime !== null && !hasRuntime(runtime);
    const runtimeArchive = needsRuntime ? await client.obtain(runtimeTarget(runtime), this.#mirror, options) : undefined;
    return { release, runtimeArchive, archive: await client.obtain(release.target, this.#mirror, options) };
  }
}
