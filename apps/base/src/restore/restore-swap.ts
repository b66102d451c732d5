/**
 * A restored site takes the place of the one that was here, by renames within the folder of the site: each can be done again, and each be taken back, from what lies on the
 * disk alone (docs/decisions/0290). No file of either is opened, copied or erased.
 */
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { syncFolderSync } from '@bascule/core/durable-file.ts';

/** What makes a site what it is; `archive` and what a start makes anew stay where they are. */
const STATE = [
  'site.db',
  'site.db-wal',
  'site.db-shm',
  'site.db-journal',
  'pair.db',
  'pair.db-wal',
  'pair.db-shm',
  'pair.db-journal',
  'keys',
] as const;
/** They are replaced only when something takes their place; else what is here stays. */
const CONTENTS = ['recordings', 'files'] as const;
type Content = (typeof CONTENTS)[number];

export const swapItem = z.object({ name: z.enum([...STATE, ...CONTENTS]), hasNew: z.boolean(), hadOld: z.boolean() });
export type SwapItem = z.infer<typeof swapItem>;

export interface SwapFolders {
  /** The folder of the site. */
  site: string;
  /** What takes its place. */
  incoming: string;
  /** What was there goes here. */
  archive: string;
}

/** What is to be moved; looked up once, when nobody has the site open, and written down before the first rename. */
export function planSwap({ site, incoming }: Pick<SwapFolders, 'site' | 'incoming'>, contents: readonly Content[]): SwapItem[] {
  const of = (name: SwapItem['name']): SwapItem => ({
    name,
    hasNew: existsSync(join(incoming, name)),
    hadOld: existsSync(join(site, name)),
  });
  const state = STATE.map(of).filter(({ hasNew, hadOld }) => hasNew || hadOld);
  return [...state, ...contents.map(of).filter(({ hasNew }) => hasNew)];
}

/** A rename that is still to be made. */
export interface Move {
  from: string;
  to: string;
}

/** Moves that are left until the incoming site is in place. Each is made before the next is asked for. */
export function* movesForward(items: readonly SwapItem[], { site, incoming, archive }: SwapFolders): Generator<Move> {
  for (const { name, hasNew, hadOld } of items) {
    const [here, next, kept] = [join(site, name), join(incoming, name), join(archive, name)];
    const isNewWaiting = hasNew && existsSync(next);
    if (hadOld && !existsSync(kept) && existsSync(here) && (isNewWaiting || !hasNew)) yield { from: here, to: kept };
    if (isNewWaiting) yield { from: next, to: here };
  }
}

/** Moves that are left until everything is as it was. */
export function* movesBackward(items: readonly SwapItem[], { site, incoming, archive }: SwapFolders): Generator<Move> {
  for (const { name, hasNew, hadOld } of items.toReversed()) {
    const [here, next, kept] = [join(site, name), join(incoming, name), join(archive, name)];
    const isArchived = existsSync(kept);
    // What is here is still the former one: nothing of this was moved.
    const isUntouched = hadOld ? !isArchived : hasNew && existsSync(next);
    if (isUntouched) continue;
    if (existsSync(here)) yield { from: here, to: next };
    if (isArchived) yield { from: kept, to: here };
  }
  // What the new site's programs have made beside its database must not be played into the former one.
  for (const name of STATE) {
    if (items.some((item) => item.name === name) || !existsSync(join(site, name))) continue;
    yield { from: join(site, name), to: join(incoming, name) };
  }
}

/** Makes one move, on the disk when it returns. */
export function move({ from, to }: Move): void {
  mkdirSync(join(to, '..'), { recursive: true, mode: 0o700 });
  renameSync(from, to);
  syncFolderSync(join(to, '..'));
  syncFolderSync(join(from, '..'));
}

/** Whether a folder holds what `planSwap` could put in place. */
export function holdsSite(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).includes('site.db');
}
