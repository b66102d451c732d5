/** What establishing needs of the appliance it runs in, and gives to it. */
import type { Log } from '@bascule/log/log.ts';
import type { Endpoint, PairMode } from '@bascule/protocol/api/failover.ts';
import type { EstablishFacts, SiteKeys } from '@bascule/protocol/pair-establish.ts';
import type { SignedStatement } from '@bascule/protocol/pair-link.ts';
import type { Context, Store, Tx } from '@bascule/store/store.ts';
import type { PairKey } from './pair-key.ts';
import type { PreSharedKey } from './pre-shared-key.ts';

/** The other appliance, as it is pinned from now on. */
export interface PairPeer {
  name: string;
  /** SHA-256 of its pair key: what PairDoor and PairDial pin. */
  keySha256: string;
  /** How this side reaches it. */
  endpoint: Endpoint;
  version: string;
}

/** A relationship that both sides have agreed on. */
export interface Established {
  id: string;
  peer: PairPeer;
  /** How the peer reaches this side. */
  own: Endpoint;
  mode: PairMode;
  /** The person at the primary. */
  by: string;
}

/** The web certificate of the shared name, which base keeps. */
export interface CertificateExchange {
  /** What the web is served with. */
  names(): Promise<string[]>;
  give(): Promise<NonNullable<SiteKeys['webCertificate']>>;
  take(certificate: NonNullable<SiteKeys['webCertificate']>): Promise<void>;
}

export interface EstablishingOptions {
  key: PairKey;
  /** pair.db, with `establishMigrations`. */
  store: Store;
  keysDir: string;
  preSharedKey: PreSharedKey;
  /** What this appliance says of itself; what it speaks, and the names of its certificate, are added. */
  facts(): Promise<Omit<EstablishFacts, 'certificateNames' | 'pairVersions'>>;
  certificate: CertificateExchange;
  /** The limit of copying (PairSettings.bytesPerSecond); 0: none. */
  bytesPerSecond(): number;
  /**
   * The primary's side, when the backup has everything: pins the peer and becomes `primary`, in one transaction that calls `note` with it. Idempotent by `id`. When it
   * throws, nothing was established.
   */
  commit(established: Established, context: Context, note: (tx: Tx) => void): Promise<void>;
  /** The statement that says which epoch the primary holds; asked for after `commit`. */
  statement(): SignedStatement | null;
  /**
   * The backup's side: archives what there is, puts the keys in their places (`writeSiteKeys`), pins the peer, and becomes a backup; the last transaction calls `note` with
   * it. Idempotent by `id`: after a cut it is called again with the same.
   */
  adopt(keys: SiteKeys, established: Established & { statement: SignedStatement | null }, note: (tx: Tx) => void): Promise<void>;
  log: Log;
  now?: () => number;
  /** Where tests cut. */
  onStep?: (step: EstablishStep) => void | Promise<void>;
}

/** The steps of establishing, in order: where tests cut it. */
export const ESTABLISH_STEPS = [
  'proved',
  'checked',
  'offered',
  'prepare-sent',
  'prepare-received',
  'prepared',
  'prepare-answered',
  'committed',
  'commit-sent',
  'commit-received',
  'adopting',
  'adopted',
  'certificate-taken',
  'commit-answered',
  'done',
] as const;
export type EstablishStep = (typeof ESTABLISH_STEPS)[number];
