/** Removing what may hold very many files, or very large ones, while base serves: the shared address of a pair is renewed each second by the same loop. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { syncFolder } from '@bascule/core/durable-file.ts';
import { removeTree } from '@bascule/core/remove-tree.ts';
import type { Log } from '@bascule/log/log.ts';

/** Nothing of this name is ever taken for whole; the next start removes it. */
export const REMOVED_SUFFIX = '.removed.partial';

/**
 * Takes the name from what goes at once, and removes it in the background, one after another. What a stop, a cut or a failure leaves is removed by `sweep` of the next start. There are never more
 * than the folders that were there.
 */
export class Removals {
  readonly #log: Log | undefined;
  readonly #stopping = new AbortController();
  #last: Promise<void> = Promise.resolve();

  constructor(log?: Log) {
    this.#log = log;
  }

  /**
   * `path` is gone by its name when this returns; the room that it takes is free when the promise resolves. Never throws or rejects: what cannot be removed stays as it is, and is tried again by
   * whoever comes next.
   */
  remove(path: string): Promise<void> {
    const nameless = `${path}.${randomBytes(4).toString('hex')}${REMOVED_SUFFIX}`;
    try {
      renameSync(path, nameless);
    } catch (error) {
      this.#log?.warn({ err: error, path }, 'software.not-removed');
      return Promise.resolve();
    }
    return this.#queue(nameless);
  }

  /** Removes everything in `folder` whose name `isLeftover` knows: what an earlier process left. New things may have these names as soon as this returns. */
  sweep(folder: string, isLeftover: (name: string) => boolean): void {
    if (!existsSync(folder)) return;
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (name.endsWith(REMOVED_SUFFIX)) void this.#queue(path);
      else if (isLeftover(name)) void this.remove(path);
    }
  }

  /** Resolves when nothing waits to be removed any more. */
  async settled(): Promise<void> {
    await this.#last;
  }

  /** Base goes down: what is half removed is left to the next one. */
  stop(): void {
    this.#stopping.abort();
  }

  #queue(nameless: string): Promise<void> {
    const { signal } = this.#stopping;
    const work = async (): Promise<void> => {
      if (signal.aborted) return;
      try {
        // Else a power cut could bring the name back, and half of what it stood for.
        await syncFolder(dirname(nameless));
        await removeTree(nameless, signal);
      } catch (error) {
        if (!signal.aborted) this.#log?.warn({ err: error, path: nameless }, 'software.not-removed');
      }
    };
    this.#last = this.#last.then(work);
    return this.#last;
  }
}
