/**
 * People log in at a backup by copies of the primary's accounts in pair.db: site.db is left to the change log alone. Copied whenever the primary changed one; login sessions go over
 * with each change of role, so that nobody has to log in again (docs/decisions/0200).
 */
import { carryLogins, copyAccounts, COPIED_TABLES, followLogins, LOGIN_TABLE } from '@bascule/accounts/carried-accounts.ts';
import type { Log } from '@bascule/log/log.ts';
import { copyRows } from '@bascule/store/copy-rows.ts';
import type { Store } from '@bascule/store/store.ts';

/** Alarms of a backup are mailed as the primary's are. */
const MAIL_TABLE = 'mail_settings';

export class CopiedAccounts {
  readonly #pairStore: Store;
  readonly #log: Log;

  constructor(pairStore: Store, log: Log) {
    this.#pairStore = pairStore;
    this.#log = log;
  }

  /** Rows of `tables` of site.db were changed: takes them over, if accounts or logins are among them. */
  changed(siteStore: Store, tables: readonly string[]): void {
    if (tables.some((table) => COPIED_TABLES.includes(table))) this.#safely(() => copyAccounts(siteStore, this.#pairStore));
    if (tables.includes(MAIL_TABLE)) this.#safely(() => void copyRows(siteStore, this.#pairStore, [MAIL_TABLE]));
    if (tables.includes(LOGIN_TABLE)) this.#safely(() => followLogins(siteStore, this.#pairStore));
  }

  /** All accounts and logins of site.db, as they are. A fault is logged: the next change copies again, and what was there still works. */
  copy(siteStore: Store): void {
    this.changed(siteStore, [...COPIED_TABLES, LOGIN_TABLE, MAIL_TABLE]);
  }

  /** This side has become primary: who is logged in here stays so at the site. */
  async carryOut(siteStore: Store): Promise<void> {
    try {
      await carryLogins(this.#pairStore, siteStore);
    } catch (error) {
      this.#log.error({ err: error }, 'failover.logins-not-carried');
    }
  }

  #safely(copy: () => void): void {
    try {
      copy();
    } catch (error) {
      this.#log.error({ err: error }, 'failover.accounts-not-copied');
    }
  }
}
