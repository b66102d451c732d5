import type { StatementSource } from './statements.ts';
import type { Log } from '@bascule/log/log.ts';
import type { SiteConfig } from '../config/config.ts';
import type { CopiedAccounts } from './copied-accounts.ts';
import type { Serving } from './failover-parts.ts';
import type { FollowSink } from './follow-sink.ts';
import type { FollowSource } from './follow-source.ts';
import type { PairDial } from './pair-dial.ts';
import type { PairKey } from './pair-key.ts';
import type { PairRecords } from './pair-records.ts';
import type { PeerGate } from './peer-gate.ts';
import type { PeerWatch } from './peer-watch.ts';
import type { SiteDatabase } from './site-database.ts';
import type { Snapshots } from './snapshots.ts';

/** What the parts of a pair work with. */
export interface PairParts {
  config: SiteConfig;
  log: Log;
  now(): number;
  /** site.db is open, and the peer may be talked with. */
  isStarted(): boolean;
  key: PairKey;
  records: PairRecords;
  database: SiteDatabase;
  statements: StatementSource;
  accounts: CopiedAccounts;
  dial: PairDial;
  gate: PeerGate;
  source: FollowSource;
  sink: FollowSink;
  snapshots: Snapshots;
  watch: PeerWatch;
  /** Stops and starts what is served. */
  serving: Serving;
}
