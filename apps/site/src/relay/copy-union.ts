import { link, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '@bascule/core/durable-file.ts';
import type { ListedFile } from '@bascule/protocol/pair-data.ts';
import { BackgroundCopy, FETCHES_MAX } from './background-copy.ts';
import { CopyStore, type CopyStoreOptions } from './copy-store.ts';
import { look, placeOf, type CopyFolders } from './copy-tree.ts';
import { PairAgent } from './pair-agent.ts';
import type { PairTls } from './pair-tls.ts';

export interface CopyUnionOptions extends CopyStoreOptions {
  tls: PairTls;
  peer: { host: string; port: number };
}

/**
 * The source's share of the union (B136): recordings that the follower alone has, made while it had the site, are fetched when they are whole. What is here stays as it is, and
 * nothing but recordings is taken.
 */
export class CopyUnion {
  readonly #folders: CopyFolders;
  /** Where recordings lie until they are whole. */
  readonly #arriving: CopyFolders;
  readonly #agent: PairAgent;
  readonly #store: CopyStore;
  readonly #background: BackgroundCopy;

  constructor(options: CopyUnionOptions) {
    const { tls, peer, folders, incoming, log } = options;
    this.#folders = folders;
    this.#arriving = { recordings: join(incoming, 'recordings'), files: join(incoming, 'files') };
    this.#agent = new PairAgent(peer, tls, { role: 'source', connectionsMax: FETCHES_MAX });
    this.#store = new CopyStore({ ...options, folders: this.#arriving });
    this.#background = new BackgroundCopy({
      agent: this.#agent,
      store: this.#store,
      isLive: () => false,
      changed: () => {},
      union: { isWanted: (listed) => this.#isWanted(listed), deliver: (listed) => this.#deliver(listed) },
      log,
    });
    this.#background.start();
  }

  lookAgain(): void {
    this.#background.lookAgain();
  }

  async close(): Promise<void> {
    this.#agent.close();
    await this.#background.close();
    this.#store.close();
  }

  async #isWanted(listed: ListedFile): Promise<boolean> {
    return listed.root === 'recordings' && (await look(this.#folders, listed)) === undefined;
  }

  /** Never over what is here: a session of that name may have begun meanwhile. */
  async #deliver(listed: ListedFile): Promise<void> {
    const from = placeOf(this.#arriving, listed);
    const to = placeOf(this.#folders, listed);
    this.#store.checkGeneration();
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    await link(from, to).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await syncFolder(dirname(to));
    await rm(from);
  }
}
