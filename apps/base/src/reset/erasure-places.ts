/** What a reset erases, and in which order (B207): keys first, for with them everything that was wrapped or encrypted by them is gone. */
import { lstat, readdir } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import type { homePaths } from '@bascule/core/home.ts';
import type { ErasedKind } from '@bascule/protocol/api/reset.ts';

type Paths = ReturnType<typeof homePaths>;

/** No key of ours is larger; what is no larger may be one, whatever it is called. */
export const KEY_MAX_BYTES = 64 * 1024;
const DATABASE = /\.db(-wal|-shm|-journal)?$/;
/** Of the machine's owner or of the operating system's package: software, boot's files, root's hooks. */
const NOT_OURS: ReadonlySet<string> = new Set(['software', 'run', 'hooks']);

export interface Place {
  path: string;
  bytes: number;
}

/** The files below the data directory that are of `kind`; none are followed through links. What an earlier kind has erased is not there any more. */
export async function placesOf(kind: ErasedKind, paths: Paths, { keepBackups }: { keepBackups: boolean }): Promise<Place[]> {
  const found: Place[] = [];
  for await (const place of filesBelow(paths.home, (path) => isLookedInto(path, paths))) {
    if (kindOf(place, paths) === kind && !(keepBackups && kind === 'backups')) found.push(place);
  }
  return found;
}

/** Of which kind a file is: each is of one. */
export function kindOf({ path, bytes }: Place, paths: Paths): ErasedKind {
  const { site, box } = paths;
  const isIn = (folder: string): boolean => path.startsWith(folder + sep);
  if (isIn(join(paths.home, 'backups')) || isIn(join(site.site, 'backups'))) return 'backups';
  if (isIn(paths.localClient)) return 'client';
  if (isIn(paths.logs) || isIn(join(box, 'installations'))) return 'logs';
  if (isIn(site.recordings)) return 'recordings';
  if (isIn(site.files) || isIn(join(site.site, 'file-store'))) return 'files';
  const isState = isIn(box) || isIn(site.site);
  if (DATABASE.test(basename(path)) || isIn(site.archive) || isIn(paths.snapshots)) return 'databases';
  if (isState && bytes <= KEY_MAX_BYTES && !isIn(paths.clientSupplies.updateMetadata)) return 'keys';
  if (isIn(site.site)) return 'files';
  return 'updates';
}

/** Sockets and the journal of the erasure itself lie in `run`. */
function isLookedInto(path: string, paths: Paths): boolean {
  const [top = '', second = ''] = relative(paths.home, path).split(sep);
  return !NOT_OURS.has(top) && !(top === 'site' && second === 'run');
}

async function* filesBelow(folder: string, isWanted: (path: string) => boolean): AsyncGenerator<Place> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (!isWanted(path)) continue;
    if (entry.isDirectory()) {
      yield* filesBelow(path, isWanted);
      continue;
    }
    const stats = await lstat(path).catch(() => undefined);
    if (stats !== undefined) yield { path, bytes: stats.isFile() ? stats.size : 0 };
  }
}
