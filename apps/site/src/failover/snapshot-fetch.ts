import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '@bascule/errors/app-error.ts';
import { sha256OfFile } from '@bascule/package-format/file-hash.ts';
import { Store } from '@bascule/store/store.ts';
import { checkSpace } from './free-space.ts';
import type { PairDial } from './pair-dial.ts';
import { snapshotAnswer, type SnapshotAnswer } from './snapshots.ts';

/** The source may read its whole database before it answers. */
const PREPARE_LIMIT_MS = 30 * 60_000;
const PREFIX = 'received-';
/** The pace of a limited copy is kept in steps of this. */
const PACE_STEP_MS = 100;

export interface FetchProgress {
  bytes: number;
  totalBytes: number;
  /** Since this fetch was begun. */
  bytesPerSecond: number;
}

/**
 * Fetches a copy of the source's database into `folder`, going on with what an earlier try left, and checks it: hash, pages, newest entry. Gives the file, ready to be put in
 * place. Throws `PAIR_UNREACHABLE` (try again), `FAILOVER_SNAPSHOT_BROKEN`, `STORE_CORRUPT`, `STORE_DISK_FULL`.
 */
export async function fetchSnapshot(options: {
  dial: PairDial;
  folder: string;
  /** 0: no limit. */
  bytesPerSecond(): number;
  progress(progress: FetchProgress): void;
  signal: AbortSignal;
}): Promise<string> {
  const { dial, folder, signal } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const kept = readdirSync(folder).find((name) => name.startsWith(PREFIX) && name.endsWith('.part'));
  const keep = kept?.slice(PREFIX.length, -'.part'.length) ?? null;
  const { status, body } = await dial.request('POST', '/snapshot', { keep }, { timeoutMs: PREPARE_LIMIT_MS });
  if (status !== 200)
    throw new AppError('unavailable', 'FAILOVER_SNAPSHOT_REFUSED', 'The peer gives no copy of its database now.');
  const answer = snapshotAnswer.parse(body);
  for (const name of readdirSync(folder))
    if (name.startsWith(PREFIX) && name !== partName(answer)) await rm(join(folder, name), { force: true });
  const part = join(folder, partName(answer));
  await fetchRest(part, answer, options);
  signal.throwIfAborted();
  if ((await sha256OfFile(part)) !== answer.sha256) {
    await rm(part, { force: true });
    throw new AppError(
      'unavailable',
      'FAILOVER_SNAPSHOT_BROKEN',
      'The copy of the database came with errors; it is fetched again.',
    );
  }
  await Store.prepareSnapshot(part);
  return part;
}

function partName({ id }: SnapshotAnswer): string {
  return `${PREFIX}${id}.part`;
}

async function fetchRest(
  part: string,
  { id, bytes }: SnapshotAnswer,
  { dial, bytesPerSecond, progress, signal }: Parameters<typeof fetchSnapshot>[0],
): Promise<void> {
  let have = existsSync(part) ? statSync(part).size : 0;
  if (have >= bytes) {
    // A whole one that was cut before it was checked; a longer one is none of ours.
    if (have === bytes) return;
    await rm(part, { force: true });
    have = 0;
  }
  await checkSpace(dirname(part), bytes - have);
  const startedMs = performance.now();
  let came = 0;
  const { status } = await dial.download(
    `/snapshot/${id}`,
    part,
    have,
    async (more) => {
      came += more;
      const seconds = Math.max(1, performance.now() - startedMs) / 1000;
      progress({ bytes: have + came, totalBytes: bytes, bytesPerSecond: Math.round(came / seconds) });
      const limit = bytesPerSecond();
      if (limit <= 0) return;
      const aheadMs = (came / limit) * 1000 - (performance.now() - startedMs);
      if (aheadMs > PACE_STEP_MS) await delay(Math.min(aheadMs, 1000), undefined, { signal });
    },
    signal,
    bytes,
  );
  if (status !== 200 && status !== 206) {
    await rm(part, { force: true });
    throw new AppError(
      'unavailable',
      'FAILOVER_SNAPSHOT_REFUSED',
      'The peer does not have that copy of its database any more; another is asked for.',
    );
  }
}
