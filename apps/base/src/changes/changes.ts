import type { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { CONFIRM_WITHIN_MS, type PendingChange } from '@bascule/protocol/api/changes.ts';
import { SYSTEM, type AuditEvent, type Context, type Store, type Tx } from '@bascule/store/store.ts';
import { changeUndone, deletePending, insertPending, keepPending, readPending, type PendingRow } from './pending-change.ts';

export { BoxDocument } from './box-document.ts';
export { changeMigrations } from './change-migrations.ts';
export { changeRoutes } from './change-routes.ts';

/** After an undo that failed (a full disk) it is tried again. */
export const UNDO_RETRY_MS = 10_000;

/** How a person who changes something is connected. */
export interface Arrival {
  /** Who is at the other end. */
  address: string;
  /** The address of ours at which the connection arrived; empty: not known. */
  localAddress: string;
  /** When the connection came in, on `performance.now()`. */
  sinceMs: number;
}

/** A kind of state in box.db that can be put back, and how the machine follows it. */
export interface Undoable<T> {
  /** As the page translates it (`changes:kinds.<kind>`); for ever, since it is written down. */
  kind: string;
  /** Of what is written down beside a change. */
  schema: z.ZodType<T>;
  /** Writes the rows as they were. */
  restore(tx: Tx, before: T): void;
  /** Makes the machine what the rows say, whatever they say. What cannot be done is shown on the kind's own page; a throw undoes the change at once. */
  applied(): void | Promise<void>;
}

/** One part of a change: what is put back when it is undone. */
export interface UndoPart {
  kind: string;
  before: unknown;
}

export interface Change {
  event: AuditEvent;
  /** Writes the rows. */
  write(tx: Tx): void;
  parts: UndoPart[];
  /** In a few words that need no translation: an address, a network. */
  about: string;
}

export interface ChangesOptions {
  store: Store;
  log: Log;
  now?: () => number;
  confirmWithinMs?: number;
}

interface Registered {
  restore(tx: Tx, before: unknown): void;
  applied(): void | Promise<void>;
}

/**
 * Changes that might cut off whoever makes them: written down in box.db with all that is needed to undo them, in the transaction that makes them, before they take effect; undone by
 * themselves unless they are confirmed from a connection that came in after they took effect. One at a time.
 */
export class Changes {
  readonly #options: ChangesOptions;
  readonly #now: () => number;
  readonly #kinds = new Map<string, Registered>();
  readonly #takenEffect: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** When the change that waits had taken effect, on `performance.now()`; connections from before show nothing. */
  #inEffectSinceMs = -Infinity;
  #isClosed = false;

  constructor(options: ChangesOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  get confirmWithinMs(): number {
    return this.#options.confirmWithinMs ?? CONFIRM_WITHIN_MS;
  }

  /** Once for each kind, before `start`. */
  register<T>({ kind, schema, restore, applied }: Undoable<T>): void {
    if (this.#kinds.has(kind)) throw new Error(`bug: two kinds of change named ${kind}`);
    this.#kinds.set(kind, { restore: (tx, before) => restore(tx, schema.parse(before)), applied });
  }

  /** Heard when a change that waits for being confirmed has taken effect: browsers are to come by new connections. */
  onTakenEffect(listener: () => void): void {
    this.#takenEffect.push(listener);
  }

  /** To be called before any kind makes the machine what its rows say: undoes at once what waited for too long while nothing ran, and waits on for what did not. */
  start(): void {
    const pending = readPending(this.#options.store);
    if (pending === undefined) return;
    if (pending.undoAtMs > this.#now()) return this.#arm(pending);
    void this.#putBack(SYSTEM, pending, 'nobody confirmed it');
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** The change that waits for being confirmed. */
  pending(): PendingChange | null {
    const pending = readPending(this.#options.store);
    if (pending === undefined) return null;
    const { about, madeBy, undoAtMs, parts } = pending;
    const kinds = [...new Set(parts.map(({ kind }) => kind))];
    return { kinds, about, madeBy, undoAtMs, leftMs: Math.max(0, undoAtMs - this.#now()) };
  }

  /** Throws `CHANGE_PENDING` while a change waits: nothing else that goes through here is changed meanwhile. */
  assertNonePending(): void {
    if (readPending(this.#options.store) === undefined) return;
    throw new AppError(
      'conflict',
      'CHANGE_PENDING',
      'A change waits for being confirmed: confirm it, undo it, or wait until it is undone.',
    );
  }

  /**
   * Makes a change. `mightCut`: it is provisional, and its maker must have been told (`accepted`), else `CHANGE_MIGHT_CUT`. Resolves when it has taken effect. Throws `CHANGE_PENDING`, and
   * what a kind throws when it cannot take effect: it is undone then.
   */
  async make(context: Context, change: Change, { mightCut, accepted }: { mightCut: boolean; accepted: boolean }): Promise<void> {
    this.assertNonePending();
    if (mightCut && !accepted) throw this.#mightCutYou();
    const { about, parts } = change;
    const pending: PendingRow = { about, madeBy: context.actor.name, undoAtMs: this.#now() + this.confirmWithinMs, parts };
    this.#inEffectSinceMs = Infinity;
    this.#options.store.transact(context, change.event, (tx) => {
      change.write(tx);
      if (mightCut) insertPending(tx, pending);
    });
    if (mightCut) this.#arm(pending);
    try {
      await this.#apply(parts);
    } catch (error) {
      await this.#putBack(SYSTEM, pending, 'it could not take effect');
      throw error;
    }
    this.#inEffectSinceMs = performance.now();
    if (mightCut) for (const listener of this.#takenEffect) listener();
  }

  /** Lets the change stay. Throws `CHANGE_NOTHING_PENDING`, and `CHANGE_CONFIRM_ANEW` for a connection from before the change, which shows nothing. */
  confirm(context: Context, arrival: Arrival): void {
    const pending = this.#assertPending();
    if (arrival.sinceMs <= this.#inEffectSinceMs)
      throw new AppError(
        'conflict',
        'CHANGE_CONFIRM_ANEW',
        'Your browser still uses a connection from before the change, which does not show that the appliance can be reached. Try again.',
      );
    keepPending(this.#options.store, context, pending);
    clearTimeout(this.#timer);
  }

  /** Puts back at once what was. Resolves when that has taken effect. Throws `CHANGE_NOTHING_PENDING`. */
  async undo(context: Context): Promise<void> {
    const pending = this.#assertPending();
    await this.#putBack(context, pending, 'asked for');
  }

  #mightCutYou(): AppError {
    const seconds = this.confirmWithinMs / 1000;
    return new AppError(
      'conflict',
      'CHANGE_MIGHT_CUT',
      `This change may cut off your own way to the appliance. It is undone after ${seconds} s unless you confirm it.`,
      { params: { seconds } },
    );
  }

  #assertPending(): PendingRow {
    const pending = readPending(this.#options.store);
    if (pending !== undefined) return pending;
    throw new AppError('conflict', 'CHANGE_NOTHING_PENDING', 'There is nothing to confirm: the change was confirmed, or undone.');
  }

  /** A clock that was set back meanwhile makes it no longer. */
  #arm(pending: PendingRow): void {
    clearTimeout(this.#timer);
    const leftMs = Math.min(Math.max(0, pending.undoAtMs - this.#now()), this.confirmWithinMs);
    this.#timer = setTimeout(() => void this.#putBack(SYSTEM, pending, 'nobody confirmed it'), leftMs);
  }

  /** Never rejects: what cannot be written is tried again. */
  async #putBack(context: Context, pending: PendingRow, why: string): Promise<void> {
    clearTimeout(this.#timer);
    const { store, log } = this.#options;
    try {
      store.transact(context, changeUndone({ about: pending.about, why }), (tx) => {
        deletePending(tx);
        for (const { kind, before } of pending.parts.toReversed()) this.#kind(kind).restore(tx, before);
      });
      log.warn({ about: pending.about, why }, 'changes.undone');
    } catch (error) {
      log.error({ err: error }, 'changes.not-undone');
      if (!this.#isClosed) this.#timer = setTimeout(() => void this.#putBack(context, pending, why), UNDO_RETRY_MS);
      return;
    }
    await this.#apply(pending.parts).catch((error: unknown) => log.error({ err: error }, 'changes.undone-without-effect'));
  }

  /** Each kind once, in the order of the parts. */
  async #apply(parts: readonly UndoPart[]): Promise<void> {
    for (const kind of new Set(parts.map((part) => part.kind))) await this.#kind(kind).applied();
  }

  #kind(kind: string): Registered {
    const known = this.#kinds.get(kind);
    if (known === undefined) throw new Error(`bug: no kind of change named ${kind}`);
    return known;
  }
}
