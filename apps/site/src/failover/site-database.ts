/** site.db as the roles of this appliance see it: opened as writer or follower, replaced by a received copy, and closed last. */
import { existsSync } from 'node:fs';
import { replaceDatabase } from '@bascule/store/received-copy.ts';
import type { Store } from '@bascule/store/store.ts';

export interface SiteDatabaseOptions {
  path: string;
  /** Opens the database with every domain's migrations and this failover's hooks; `isChecked`: its pages were just read through. */
  open(follower: boolean, isChecked: boolean): Store;
}

export class SiteDatabase {
  readonly #options: SiteDatabaseOptions;
  #store: Store | undefined;

  constructor(options: SiteDatabaseOptions) {
    this.#options = options;
  }

  /** Undefined on a backup that has no copy yet. */
  get store(): Store | undefined {
    return this.#store;
  }

  /** Opens it; a follower without a file stays without a store. Throws as `Store.open`. */
  openAs(follower: boolean): void {
    if (follower && !existsSync(this.#options.path)) return;
    this.#store = this.#options.open(follower, false);
  }

  /** Puts the received and checked copy `file` in the place of whatever is there, and opens it as follower. What was there was archived before. */
  replaceBy(file: string): void {
    // Whoever replaces has looked at what is there, and archived it.
    if (this.#store === undefined && existsSync(this.#options.path))
      throw new Error('bug: a database that was never opened would be replaced');
    this.close();
    replaceDatabase(file, this.#options.path);
    // A worker has read it through: this loop, which answers base and the other side, does not do so once more.
    this.#store = this.#options.open(true, true);
  }

  close(): void {
    this.#store?.close();
    this.#store = undefined;
  }
}
