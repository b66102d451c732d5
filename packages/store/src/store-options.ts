import type { Log } from '@bascule/log/log.ts';
import type { OnMigration } from './schema.ts';
import type { Migration, TransactionStep } from './transaction.ts';

export interface StoreOptions {
  path: string;
  /** Of all domains; the store adds its own. */
  migrations: Migration[];
  /** The appliance's name, in the audit chain. */
  appliance: string;
  /** Without it the store is not fenced (box.db has one writer by construction). */
  generation?: { file: string; number: number };
  log: Log;
  now?: () => number;
  /** A follower never migrates by itself: migrations come as entries of the change log (`applyEntry`). It refuses every change of its own with `STORE_FOLLOWER`. */
  follower?: boolean;
  /** Called when an own transaction is on disk, before its effects: entry `seq` is to be sent. */
  onCommitted?: (seq: number, waitsForPeer: boolean) => void;
  /** Runs the effects of transaction `seq`, now or when the peer has it; without it they run at once. Only called when there are any. */
  holdEffects?: (seq: number, waitsForPeer: boolean, run: () => void) => void;
  /** Throws when this program must not write (any more): asked before each own transaction begins and again before it commits. Nothing is changed then. */
  mayWrite?: () => void;
  /** The largest size of the file, in pages of 4 KiB: the space that this database may take (STORE_DISK_FULL beyond it). */
  maxPages?: number;
  /** `Store.check` has just passed: the pages are not read through once more (a switch of versions waits for this). */
  checked?: boolean;
  /** Called when a migration begins (without a duration) and when it is applied. */
  onMigration?: OnMigration;
  /** Called at each named point of a transaction: for tests that cut it there. */
  onStep?: (step: TransactionStep) => void;
}
