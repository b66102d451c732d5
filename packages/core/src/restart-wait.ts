/** Waits before a program is started again: none at first, then doubling from the first to the longest; one that worked for RESTART_FORGIVEN_AFTER_MS begins anew. */
export const RESTART_FIRST_WAIT_MS = 100;
export const RESTART_LONGEST_WAIT_MS = 10_000;
export const RESTART_FORGIVEN_AFTER_MS = 30_000;

/** How many quick deaths in a row there are now, after `before` of them and a death `livedMs` after the start. */
export function countFailure(before: number, livedMs: number): number {
  return livedMs > RESTART_FORGIVEN_AFTER_MS ? 1 : before + 1;
}

/** The wait before the restart after `failures` quick deaths in a row. */
export function restartWaitMs(failures: number): number {
  return failures <= 1 ? 0 : Math.min(RESTART_FIRST_WAIT_MS * 2 ** (failures - 2), RESTART_LONGEST_WAIT_MS);
}
