/**
 * A new vault key, without downtime and whatever is cut (docs/decisions/0302). What has to be done next is read from the journal in site.db and from the ring, never remembered:
 * the next start, and the backup that takes over in the middle, go on from there.
 */
import type { KeyRing } from '@bascule/accounts/key-ring.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { VaultRotation } from '@bascule/protocol/api/vault.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import * as errors from './vault-errors.ts';
import * as events from './vault-events.ts';
import { readVaultValue, writeVaultValue, type RotationJournal } from './vault-store.ts';
import type { WrappedSecrets } from './wrapped-secrets.ts';

/** What waits for the backup, or has failed, is looked at again after this. */
const LOOK_EVERY_MS = 1000;
/** After so many steps in a row the next look goes on: secrets that are changed all the time hold nothing up. */
const ROUNDS_MAX = 20;

/** Where tests cut a rotation. */
export const ROTATION_STEPS = [
  'begun',
  'next-written',
  'prepared',
  'backup-has-next',
  'current-written',
  'in-use',
  'noted-in-use',
  'moved',
  'all-moved',
  'noted-all-moved',
  'former-dropped',
  'done',
] as const;
export type RotationStep = (typeof ROTATION_STEPS)[number];

/** What the backup of a pair is known to have. `too-old`: its software knows one vault key alone. */
export type VaultBackup =
  | { kind: 'none' }
  | { kind: 'away' | 'too-old'; name: string }
  | {
      kind: 'here';
      name: string;
      /** Fingerprint of its ring. */
      ring: string;
      /** It has the change log up to here. */
      ackedSeq: number;
    };

export interface RotationOptions {
  store: Store;
  ring: KeyRing;
  secrets: WrappedSecrets;
  backup(): VaultBackup;
  /** The page shows something else now. */
  changed(): void;
  log: Log;
  now(): number;
  lookEveryMs?: number | undefined;
  step?: ((step: RotationStep) => void) | undefined;
}

export class Rotation {
  readonly #options: RotationOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #waitsFor: VaultRotation['waitsFor'] = null;
  #done = 0;
  /** The change log up to here has everything that was re-wrapped. */
  #movedSeq: number | undefined;
  #isStarted = false;
  #isClosed = false;

  constructor(options: RotationOptions) {
    this.#options = options;
  }

  /** Goes on with what was cut, and finishes what a cut has left of the ring. */
  start(): void {
    const { ring, log } = this.#options;
    this.#isStarted = true;
    try {
      ring.mend();
      if (this.#journal() === null) ring.forgetNext();
    } catch (error) {
      log.error({ err: error }, 'vault.ring-not-mended');
    }
    this.#goOn();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  state(): VaultRotation | null {
    const journal = this.#journal();
    if (journal === null) return null;
    const { state, startedAtMs, by, secrets } = journal;
    const done = state === 're-wrapping' ? Math.min(this.#done, secrets) : state === 'dropping' ? secrets : 0;
    return { state, startedAtMs, by, done, total: secrets, waitsFor: this.#waitsFor, mayCancel: this.#mayCancel(journal) };
  }

  /** Begins one. Throws VAULT_ROTATION_RUNNING. */
  async begin(context: Context): Promise<void> {
    const { store, ring, secrets, now } = this.#options;
    if (this.#journal() !== null) throw errors.rotationRunning();
    const { readable } = await secrets.byKey();
    const total = [...readable.values()].reduce((sum, count) => sum + count, 0);
    const from = ring.currentId;
    store.transact(context, events.rotationBegun({ from, secrets: total }), (tx) => {
      if (this.#journal() !== null) throw errors.rotationRunning();
      writeVaultValue(tx, 'rotation', {
        state: 'waiting-for-backup',
        startedAtMs: now(),
        by: context.actor.name,
        from,
        secrets: total,
      });
    });
    this.#waitsFor = null;
    this.#movedSeq = undefined;
    this.#step('begun');
    this.#goOn();
  }

  /** Gives up one whose new key was not used yet. Throws VAULT_ROTATION_NOT_CANCELLABLE. */
  cancel(context: Context): void {
    const { store, ring } = this.#options;
    const journal = this.#journal();
    if (journal === null || !this.#mayCancel(journal)) throw errors.rotationNotCancellable();
    store.transact(context, events.rotationCancelled({ from: journal.from }), (tx) => writeVaultValue(tx, 'rotation', null));
    ring.forgetNext();
    this.#options.changed();
  }

  /** Resolves when nothing goes on any more: it is done, waits for the backup, or has failed. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Looks at once whether it goes on. */
  look(): void {
    this.#goOn();
  }

  #mayCancel({ state, from }: RotationJournal): boolean {
    return state === 'waiting-for-backup' && this.#options.ring.currentId === from;
  }

  #journal(): RotationJournal | null {
    return readVaultValue(this.#options.store, 'rotation') ?? null;
  }

  #step(step: RotationStep): void {
    this.#options.step?.(step);
  }

  #goOn(): void {
    if (!this.#isStarted || this.#isClosed || this.#running !== undefined || this.#journal() === null) return;
    clearTimeout(this.#timer);
    this.#running = this.#run()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#running = undefined;
        this.#lookLater();
      });
  }

  #lookLater(): void {
    if (this.#isClosed || this.#journal() === null) return;
    this.#timer = setTimeout(() => this.#goOn(), this.#options.lookEveryMs ?? LOOK_EVERY_MS).unref();
  }

  #failed(error: unknown): void {
    if (this.#isClosed) return;
    this.#options.log.error({ err: error }, 'vault.rotation-failed');
    const reason = error instanceof AppError ? error.message : 'The rotation could not go on; the log says why.';
    this.#wait(errors.waits.failed(reason));
  }

  #wait(waitsFor: VaultRotation['waitsFor']): void {
    const isNew = this.#waitsFor?.code !== waitsFor?.code;
    this.#waitsFor = waitsFor;
    if (isNew) this.#options.changed();
  }

  /** Each state until one has to wait. */
  async #run(): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const journal = this.#journal();
      if (journal === null || this.#isClosed) return;
      const waitsFor = await this.#advance(journal);
      this.#wait(waitsFor);
      if (waitsFor !== null) return;
    }
  }

  #advance(journal: RotationJournal): Promise<VaultRotation['waitsFor']> | VaultRotation['waitsFor'] {
    if (journal.state === 'waiting-for-backup') return this.#take(journal);
    if (journal.state === 're-wrapping') return this.#rewrap(journal);
    return this.#drop(journal);
  }

  /** The new key is made, and used as soon as the backup has it: no secret is ever wrapped by a key that this appliance alone has. */
  #take(journal: RotationJournal): VaultRotation['waitsFor'] {
    const { store, ring, now, backup } = this.#options;
    if (ring.currentId === journal.from) {
      // A backup whose software is not known yet might be one that reads no named keys.
      const waitsFor = waitsForReach(backup());
      if (waitsFor !== null) return waitsFor;
      ring.prepareNext(() => this.#step('next-written'));
      this.#step('prepared');
      const lacks = this.#backupLacksRing();
      if (lacks !== null) return lacks;
      this.#step('backup-has-next');
      ring.useNext(() => this.#step('current-written'));
      this.#step('in-use');
    }
    const to = ring.currentId;
    store.transact(SYSTEM, events.keyInUse({ from: journal.from, to }), (tx) => {
      writeVaultValue(tx, 'rotation', { ...journal, state: 're-wrapping' });
      writeVaultValue(tx, 'since', { atMs: now(), keyId: to });
    });
    this.#options.changed();
    this.#step('noted-in-use');
    return null;
  }

  async #rewrap(journal: RotationJournal): Promise<VaultRotation['waitsFor']> {
    const { store, ring, secrets } = this.#options;
    this.#done = (await secrets.byKey()).readable.get(ring.currentId) ?? 0;
    await secrets.rewrap(
      () => this.#isClosed,
      (count) => {
        this.#done += count;
        this.#step('moved');
      },
    );
    const { readable, unreadable } = await secrets.byKey();
    // What was wrapped by a former key meanwhile, or a stop: the next round finds it.
    if (this.#isClosed || [...readable.keys()].some((id) => id !== ring.currentId)) return null;
    this.#step('all-moved');
    const count = readable.get(ring.currentId) ?? 0;
    store.transact(SYSTEM, events.allRewrapped({ secrets: count, unreadable }), (tx) =>
      writeVaultValue(tx, 'rotation', { ...journal, state: 'dropping' }),
    );
    this.#options.changed();
    this.#step('noted-all-moved');
    return null;
  }

  /** The former keys go when nothing is wrapped by them, here and at the backup, which might take over with what it has. */
  async #drop(journal: RotationJournal): Promise<VaultRotation['waitsFor']> {
    const { store, ring, secrets, now, backup } = this.#options;
    const former = ring.formerIds();
    if (former.length > 0) {
      const { readable } = await secrets.byKey();
      if ([...readable.keys()].some((id) => id !== ring.currentId)) {
        this.#movedSeq = undefined;
        await secrets.rewrap(
          () => this.#isClosed,
          () => undefined,
        );
        return null;
      }
      const found = backup();
      const lacks = waitsForReach(found) ?? this.#backupLacksRing();
      if (lacks !== null) return lacks;
      this.#movedSeq ??= store.head().seq;
      if (found.kind === 'here' && found.ackedSeq < this.#movedSeq) return errors.waits.away(found.name);
      ring.dropFormer(new Set());
      this.#step('former-dropped');
    }
    const { readable } = await secrets.byKey();
    const count = readable.get(ring.currentId) ?? 0;
    store.transact(SYSTEM, events.rotated({ to: ring.currentId, dropped: former, secrets: count }), (tx) => {
      writeVaultValue(tx, 'rotation', null);
      writeVaultValue(tx, 'lastRotation', { atMs: now(), by: journal.by, secrets: count });
    });
    this.#options.changed();
    this.#step('done');
    return null;
  }

  #backupLacksRing(): VaultRotation['waitsFor'] {
    const { ring, backup } = this.#options;
    const found = backup();
    if (found.kind === 'none') return null;
    if (found.kind !== 'here') return waitsForReach(found);
    return found.ring === ring.fingerprint() ? null : errors.waits.away(found.name);
  }
}

function waitsForReach(backup: VaultBackup): VaultRotation['waitsFor'] {
  if (backup.kind === 'away') return errors.waits.away(backup.name);
  if (backup.kind === 'too-old') return errors.waits.tooOld(backup.name);
  return null;
}
