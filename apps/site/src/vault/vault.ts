/**
 * The vault key (B193-B195, I4): the ring of keys that wraps every secret of site.db. It is downloaded with a password, restored from such a file, and replaced without downtime.
 * Without it this domain says exactly what cannot be read.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { KeyRing } from '@bascule/accounts/key-ring.ts';
import type { WrappedColumn } from '@bascule/accounts/wrapped-column.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { RestoreVaultKey, VaultKeyState, VaultRestoreLook, VaultSecret, VaultSecrets } from '@bascule/protocol/api/vault.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import * as errors from './vault-errors.ts';
import * as events from './vault-events.ts';
import { openVaultKeys, sealVaultKeys, type VaultKeys } from './vault-file.ts';
import { Rotation, type RotationStep, type VaultBackup } from './vault-rotation.ts';
import { readVaultValue, writeVaultValue } from './vault-store.ts';
import { WrappedSecrets, type KindCount } from './wrapped-secrets.ts';

export { vaultRoutes } from './vault-routes.ts';
export type { VaultBackup } from './vault-rotation.ts';

/** Files with a password that are made or opened at once: each takes memory and time. */
const PASSWORDS_AT_ONCE = 1;
/** Counting opens every secret: pages that ask again and again are answered with a count of so long ago. */
const COUNT_KEPT_MS = 2000;
/** Secrets that are named where all of them would be too many. */
const EXAMPLES_MAX = 5;
const BUSY_LOOK_MS = 50;
const BUSY_LIMIT_MS = 10_000;

export interface VaultOptions {
  store: Store;
  /** `site.key`; the ring is beside it. */
  keyFile: string;
  /** Every column with wrapped secrets, of all domains. */
  columns: readonly WrappedColumn[];
  appliance: string;
  /** What the backup of a pair has; absent: there is no pair. */
  backup?: (() => VaultBackup) | undefined;
  /** Whether the running version is not watched any more. */
  isCommitted: boolean;
  /** The page shows something else now. */
  changed(): void;
  /** More secrets than before cannot be read: for whoever gets mail. */
  alarm?: ((count: number, examples: string) => void) | undefined;
  log: Log;
  now?: (() => number) | undefined;
  /** For tests. */
  lookEveryMs?: number | undefined;
  workFactor?: number | undefined;
  step?: ((step: RotationStep) => void) | undefined;
}

export class Vault {
  readonly ring: KeyRing;
  readonly rotation: Rotation;
  readonly #options: VaultOptions;
  readonly #secrets: WrappedSecrets;
  readonly #now: () => number;
  #isCommitted: boolean;
  #passwords = 0;
  #telling: Promise<void> | undefined;
  #counted: { ring: string; atMs: number; counts: Promise<KindCount[]> } | undefined;

  /** Throws KEY_FILE_BROKEN. Makes a key when there is none. */
  constructor(options: VaultOptions) {
    const { store, keyFile, columns, changed, log, lookEveryMs, step } = options;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#isCommitted = options.isCommitted;
    this.ring = KeyRing.open(keyFile);
    this.#secrets = new WrappedSecrets({ store, ring: this.ring, columns });
    this.rotation = new Rotation({
      store,
      ring: this.ring,
      secrets: this.#secrets,
      backup: () => options.backup?.() ?? { kind: 'none' },
      changed,
      log,
      now: this.#now,
      lookEveryMs,
      step,
    });
  }

  /** Goes on with a rotation that was cut, and tells of secrets that cannot be read. */
  start(): void {
    this.rotation.start();
    this.#telling = this.#tellUnreadable();
  }

  async close(): Promise<void> {
    await Promise.all([this.rotation.close(), this.#telling]);
  }

  /** This version's watch period is over. */
  committed(): void {
    this.#isCommitted = true;
  }

  /** GET vault-key. */
  async state(): Promise<VaultKeyState> {
    const { store } = this.#options;
    const { ring } = this;
    const protects = await this.#counts();
    const unreadable = protects.reduce((sum, kind) => sum + kind.unreadable, 0);
    const since = readVaultValue(store, 'since');
    const download = readVaultValue(store, 'download');
    const refused = this.#rotationRefused();
    return {
      keyId: ring.currentId,
      since: since?.keyId === ring.currentId ? since.atMs : null,
      formerKeyIds: ring.formerIds(),
      download: download === undefined ? null : { ...download, isOutdated: download.keyId !== ring.currentId },
      protects,
      readable: protects.reduce((sum, kind) => sum + kind.count, 0) - unreadable,
      unreadable,
      rotation: this.rotation.state(),
      lastRotation: readVaultValue(store, 'lastRotation') ?? null,
      mayRotate: { ok: refused === undefined, code: refused?.code ?? null, message: refused?.message ?? null },
    };
  }

  /** Secrets in plain words, page by page. */
  secrets(show: 'all' | 'unreadable', after?: string): Promise<VaultSecrets> {
    return this.#secrets.list(show, after);
  }

  /** How many secrets cannot be read with the keys that are here, and the first 200 of them: after a restore, and for the alarm. */
  async unreadableSecrets(): Promise<{ count: number; secrets: VaultSecret[] }> {
    const [{ unreadable }, { secrets }] = await Promise.all([this.#secrets.byKey(), this.#secrets.list('unreadable')]);
    return { count: unreadable, secrets };
  }

  /** When the key was last downloaded, and whether that file still has the key of today: for preflight (B41). */
  lastDownload(): { atMs: number; isOutdated: boolean } | null {
    const download = readVaultValue(this.#options.store, 'download');
    return download === undefined ? null : { atMs: download.atMs, isOutdated: download.keyId !== this.ring.currentId };
  }

  /** All keys of the ring, in a file that `password` opens, with its name. */
  async download(context: Context, password: string): Promise<{ name: string; bytes: Buffer }> {
    const { appliance, store, workFactor } = this.#options;
    const madeAtMs = this.#now();
    const current = this.ring.currentId;
    const keys = this.ring.keys();
    const bytes = await this.#withPassword(() => sealVaultKeys({ appliance, madeAtMs, current, keys }, password, workFactor));
    store.transact(context, events.downloaded({ keys: keys.map(({ id }) => id) }), (tx) =>
      writeVaultValue(tx, 'download', { atMs: madeAtMs, by: context.actor.name, keyId: current }),
    );
    this.#options.changed();
    const day = new Date(madeAtMs).toISOString().slice(0, 10);
    return { name: `${appliance}-${day}.bascule-vault-key.age`, bytes };
  }

  /** What a vault key file would make readable; changes nothing. Throws as `restore`. */
  async look({ file, password }: RestoreVaultKey): Promise<VaultRestoreLook> {
    const found = await this.#open(file, password);
    const fresh = this.#freshOf(found);
    const { opened, count, left } = await this.#secrets.openedBy(fresh);
    return {
      appliance: found.appliance,
      madeAtMs: found.madeAtMs,
      keyIds: found.keys.map(({ id }) => id),
      newKeyIds: fresh.map(({ id }) => id),
      becomesReadable: count,
      secrets: opened,
      staysUnreadable: left,
    };
  }

  /**
   * Adds the keys of a vault key file to the ring: nothing that can be read becomes unreadable. Where the key here wraps nothing yet (a new appliance), that of the file is used from
   * now on. Gives how many secrets became readable. Throws VAULT_FILE_PASSWORD_WRONG, VAULT_FILE_DAMAGED, VAULT_FILE_OTHER, VAULT_FILE_NEWER, KEY_RING_FULL, and has changed nothing then.
   */
  async restore(context: Context, { file, password }: RestoreVaultKey): Promise<number> {
    const { store } = this.#options;
    let found: VaultKeys;
    try {
      found = await this.#open(file, password);
    } catch (error) {
      if (error instanceof AppError) store.transact(context, events.restoreRefused({ reason: error.code }), () => undefined);
      throw error;
    }
    const fresh = this.#freshOf(found);
    const { count } = await this.#secrets.openedBy(fresh);
    const { readable } = await this.#secrets.byKey();
    const isUnused = (readable.get(this.ring.currentId) ?? 0) === 0;
    const isAlone = (this.#options.backup?.() ?? { kind: 'none' }).kind === 'none';
    const takesOver = isUnused && isAlone && this.rotation.state() === null;
    // Ahead of the audit: a cut between them leaves a key too many, which opens what it should.
    this.ring.add(fresh, takesOver ? found.current : undefined);
    const keys = found.keys.map(({ id }) => id);
    store.transact(context, events.restored({ keys, readable: count, appliance: found.appliance }), () => undefined);
    this.#options.changed();
    await this.#tellUnreadable();
    return count;
  }

  /** Replaces the key. Throws VAULT_ROTATION_RUNNING, VAULT_ROTATION_NOT_NOW. */
  async rotate(context: Context): Promise<void> {
    const refused = this.#rotationRefused();
    if (refused !== undefined) throw refused;
    await this.rotation.begin(context);
  }

  #counts(): Promise<KindCount[]> {
    const ring = this.ring.fingerprint();
    const atMs = performance.now();
    if (this.#counted === undefined || this.#counted.ring !== ring || atMs - this.#counted.atMs > COUNT_KEPT_MS)
      this.#counted = { ring, atMs, counts: this.#secrets.count() };
    return this.#counted.counts;
  }

  /** In the audit, and by mail, when there are more or none any more. Never rejects. */
  async #tellUnreadable(): Promise<void> {
    const { store, log, alarm } = this.#options;
    try {
      const { count, secrets } = await this.unreadableSecrets();
      const told = readVaultValue(store, 'unreadable') ?? 0;
      if (count === told) return;
      const examples = secrets
        .slice(0, EXAMPLES_MAX)
        .map(({ words }) => words)
        .join(', ');
      const event = count > 0 ? events.unreadableFound({ secrets: count, examples }) : events.readableAgain({});
      store.transact(SYSTEM, event, (tx) => writeVaultValue(tx, 'unreadable', count));
      if (count <= told) return;
      log.error({ secrets: count }, 'vault.secrets-unreadable');
      alarm?.(count, examples);
    } catch (error) {
      log.error({ err: error }, 'vault.secrets-not-looked-at');
    }
  }

  #rotationRefused(): AppError | undefined {
    if (this.rotation.state() !== null) return errors.rotationRunning();
    return this.#isCommitted ? undefined : errors.rotationNotNow();
  }

  /** Of the keys in a file those that are not here. */
  #freshOf({ keys }: VaultKeys): VaultKeys['keys'] {
    const known = new Set(this.ring.keys().map(({ id }) => id));
    return keys.filter(({ id }) => !known.has(id));
  }

  #open(file: string, password: string): Promise<VaultKeys> {
    return this.#withPassword(() => openVaultKeys(Buffer.from(file, 'base64'), password));
  }

  /** One after the other: a password takes 128 MiB and half a second. Throws VAULT_BUSY. */
  async #withPassword<T>(work: () => Promise<T>): Promise<T> {
    const untilMs = performance.now() + BUSY_LIMIT_MS;
    while (this.#passwords >= PASSWORDS_AT_ONCE) {
      if (performance.now() > untilMs) throw errors.busy();
      await delay(BUSY_LOOK_MS);
    }
    this.#passwords += 1;
    try {
      return await work();
    } finally {
      this.#passwords -= 1;
    }
  }
}
