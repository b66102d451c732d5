import { sitePaths } from '@bascule/core/home.ts';
import { openReader } from '@bascule/store/received-copy.ts';
import { hasPairStore, readValue } from './pair-store.ts';

/** Whether the site in `siteDir`, which nobody has open, is one that writes nothing: for programs that work on a stopped site. */
export function isFollower(siteDir: string): boolean {
  const { pairDatabase } = sitePaths(siteDir);
  if (!hasPairStore(pairDatabase)) return false;
  using reader = openReader(pairDatabase);
  const role = readValue(reader, 'self')?.role ?? 'single';
  return role === 'backup' || role === 'read-only';
}
