import type { PairRole, PairSettings, RoleChange } from '@bascule/protocol/api/failover.ts';
import { SYSTEM, type AuditEvent, type Context, type Store, type Tx } from '@bascule/store/store.ts';
import {
  addRoleChange,
  DEFAULT_PAIR_SETTINGS,
  NO_PAIR,
  readValue,
  removeValue,
  writeValue,
  type PairSelf,
  type PeerRecord,
} from './pair-store.ts';

/** What a change of role is written down with. */
export interface RoleStep {
  by: string;
  /** Permanent: RoleChange.reason. */
  reason: string;
  lost?: { changes: number; seconds: number } | null;
}

/** The values of pair.db that everything else asks for all the time, at hand; each change is on the disk before it counts. */
export class PairRecords {
  readonly store: Store;
  readonly appliance: string;
  readonly #now: () => number;
  readonly #listeners: (() => void)[] = [];
  #self: PairSelf;
  #peer: PeerRecord | undefined;
  #settings: PairSettings;
  #becameMs = -Infinity;

  constructor(options: { store: Store; appliance: string; now(): number }) {
    this.store = options.store;
    this.appliance = options.appliance;
    this.#now = options.now;
    this.#self = readValue(this.store, 'self') ?? NO_PAIR;
    this.#peer = readValue(this.store, 'peer');
    this.#settings = { ...DEFAULT_PAIR_SETTINGS, ...readValue(this.store, 'settings') };
  }

  get self(): PairSelf {
    return this.#self;
  }

  get peer(): PeerRecord | undefined {
    return this.#peer;
  }

  /** When the role was last written, since this program runs (monotonic). */
  get becameMs(): number {
    return this.#becameMs;
  }

  get settings(): PairSettings {
    return this.#settings;
  }

  /** Whether there is a relationship that was not broken. */
  get isActive(): boolean {
    return this.#peer?.state === 'active';
  }

  /** Whether the word of the other side still counts: a relationship that an upgrade plan has broken goes on when the plan is done. */
  get trustsPeer(): boolean {
    return this.isActive || (this.#peer?.state === 'broken' && this.#peer.apart === 'plan');
  }

  /** Whether this role writes site.db and serves people and clients. */
  get serves(): boolean {
    return servesAs(this.#self.role);
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Writes what this side is now, with its line in the history of roles when the role is another one. */
  become(
    context: Context,
    event: AuditEvent,
    next: Partial<PairSelf>,
    step: RoleStep,
    more: (tx: Tx) => void = () => undefined,
  ): void {
    const self = { ...this.#self, ...next };
    const atMs = this.#now();
    const change: RoleChange = {
      atMs,
      appliance: this.appliance,
      role: self.role,
      epoch: self.epoch,
      by: step.by,
      reason: step.reason,
      lost: step.lost ?? null,
    };
    this.store.transact(context, event, (tx) => {
      writeValue(tx, 'self', self);
      addRoleChange(tx, change);
      more(tx);
    });
    this.#becameMs = performance.now();
    this.reload();
  }

  /** Writes parts of what this side is that are no change of role. */
  note(event: AuditEvent, next: Partial<PairSelf>): void {
    this.store.transact(SYSTEM, event, (tx) => writeValue(tx, 'self', { ...this.#self, ...next }));
    this.reload();
  }

  setPeer(tx: Tx, peer: PeerRecord | undefined): void {
    if (peer === undefined) removeValue(tx, 'peer');
    else writeValue(tx, 'peer', peer);
  }

  setSettings(context: Context, event: AuditEvent, settings: PairSettings): void {
    this.store.transact(context, event, (tx) => writeValue(tx, 'settings', settings));
    this.reload();
  }

  /** After a transaction on pair.db that changed values: they are read again, and whoever listens hears of it. */
  reload(): void {
    this.#self = readValue(this.store, 'self') ?? NO_PAIR;
    this.#peer = readValue(this.store, 'peer');
    this.#settings = { ...DEFAULT_PAIR_SETTINGS, ...readValue(this.store, 'settings') };
    for (const listener of this.#listeners) listener();
  }
}

/** Whether whoever has `role` writes, and serves people and clients. */
export function servesAs(role: PairRole): boolean {
  return role === 'single' || role === 'primary';
}
