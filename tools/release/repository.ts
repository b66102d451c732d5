/** A repository of packages on disk: laid down, added to, renewed. */
import type { KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TufAuthor } from '@bascule/package-format/tuf-author.ts';
import { TUF_ROLES, type DelegatedRole, type TufRole } from '@bascule/package-format/tuf-keys.ts';
import { archiveOf, readBuilt, type Built } from './built.ts';
import { isOnlineHere, signingKeys, type FoundKey } from './key-folder.ts';
import { ReleaseError } from './release-error.ts';

/** Lays down a new repository, signed and empty. Throws ReleaseError when one is there, or when a role has no key. */
export async function createRepository(repository: string, keys: FoundKey[], rootThreshold: number): Promise<void> {
  if (existsSync(join(repository, 'metadata')))
    throw new ReleaseError(`${repository} holds a repository already; it was left as it is.`);
  const byRole = Object.fromEntries(
    TUF_ROLES.map((role) => {
      const own = keys.filter((key) => key.role === role);
      if (own.length === 0)
        throw new ReleaseError(`There is no key of ${role}: npm run release -- keys create ${role} --keys DIR`);
      return [role, own.map(({ key }) => key)];
    }),
  ) as Record<TufRole, KeyObject[]>;
  const author = await TufAuthor.create({ directory: repository, now: Date.now, keys: byRole, rootThreshold });
  await author.publish(signingKeys(keys));
}

/**
 * Adds packages, each with the runtime and the client programs that were built with it, and signs with the keys that fit. What is published never changes: the
 * same again is passed over, another file of the same name is refused. Gives the targets that were added, and whether snapshot and timestamp were signed too.
 */
export async function publishPackages(
  repository: string,
  archives: string[],
  keys: FoundKey[],
): Promise<{ added: string[]; isOnline: boolean }> {
  const author = await TufAuthor.open({ directory: repository, now: Date.now });
  const added: string[] = [];
  for (const archive of await withCompanions(archives)) {
    const { target, sha256, manifest } = await readBuilt(archive);
    const there = author.targetFile(target);
    if (there?.sha256 === sha256) continue;
    if (there !== undefined)
      throw new ReleaseError(
        `${target} was published with other content. What is published never changes: build it as another version.`,
      );
    const role = target.split('/')[0] as DelegatedRole;
    await author.addTarget(role, { path: target, file: archive, ...(manifest && { custom: { bascule: manifest } }) });
    added.push(target);
  }
  const isOnline = isOnlineHere(author, keys);
  if (added.length > 0) await author.publish(signingKeys(keys), { offline: !isOnline });
  return { added, isOnline };
}

/** Renews snapshot and timestamp when they need it; whether they did. */
export async function refreshRepository(repository: string, keys: FoundKey[]): Promise<boolean> {
  const author = await TufAuthor.open({ directory: repository, now: Date.now });
  return await author.refreshOnlineRoles(signingKeys(keys));
}

/** The packages, each after what it needs, without doubles. */
async function withCompanions(archives: string[]): Promise<string[]> {
  const wanted = new Set<string>();
  for (const archive of archives) {
    for (const companion of companionsOf(await readBuilt(archive))) {
      const file = archiveOf(dirname(dirname(archive)), companion);
      if (!existsSync(file))
        throw new ReleaseError(`${file} is missing, which ${basename(archive)} needs: build the package again.`);
      wanted.add(file);
    }
    wanted.add(archive);
  }
  return [...wanted];
}

function companionsOf({ manifest, companions }: Built): string[] {
  if (manifest === null) return [];
  const runtime = manifest.runtime === null ? [] : [`runtime/${manifest.runtime}.tar.zst`];
  // Built before notes named them.
  const clients =
    manifest.kind === 'site' && companions.length === 0 ? [`client/jump-client-${manifest.version}.tar.zst`] : companions;
  return [...runtime, ...clients];
}
