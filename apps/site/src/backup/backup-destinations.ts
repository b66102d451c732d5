/** Where backups go: this appliance, and destinations that administrators added. */
import type { KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { newId } from '@bascule/core/ids.ts';
import { AppError, notFound } from '@bascule/errors/app-error.ts';
import {
  BACKUP_DESTINATIONS_MAX,
  BACKUP_PLACE_MAX_LENGTH,
  HERE,
  type BackupDestination,
  type BackupDestinationBody,
} from '@bascule/protocol/api/backup.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import { unknownDestination } from './backup-errors.ts';
import { destinationAdded, destinationAsked, destinationChanged, destinationRemoved } from './backup-events.ts';
import type { OpenPlace } from './backup-order.ts';
import { checkFolder, openBackupPlace } from './backup-place.ts';
import { readDestinations, readSchedule, removeDestination, writeDestination, type KeptDestination } from './backup-store.ts';
import { isSameServer, secretNeeded, unwrapSecret, wrapSecret, type SftpSecret } from './destination-secret.ts';

export interface DestinationsOptions {
  store: Store;
  keyWrap: KeyWrap;
  /** `<data directory>/backups`. */
  backupsDir: string;
  /** The data directory. */
  home: string;
}

export class Destinations {
  readonly #options: DestinationsOptions;

  constructor(options: DestinationsOptions) {
    this.#options = options;
  }

  get here(): string {
    return this.#options.backupsDir;
  }

  list(): BackupDestination[] {
    return readDestinations(this.#options.store).map(({ id, name, place }) => ({ id, name, place }));
  }

  /** For people: where backups lie that stay when this appliance goes. */
  inWords(): string[] {
    return readDestinations(this.#options.store).map((kept) =>
      `${kept.name}: ${inWords(kept)}`.slice(0, BACKUP_PLACE_MAX_LENGTH),
    );
  }

  nameOf(destination: string): string {
    if (destination === HERE) return 'this appliance';
    return this.list().find(({ id }) => id === destination)?.name ?? 'a destination that was removed';
  }

  /** With what opens it. Throws `BACKUP_DESTINATION_UNKNOWN`, `KEY_WRAP_FAILED` when the vault key does not fit. */
  open(destination: string): OpenPlace {
    if (destination === HERE) return { kind: 'folder', path: this.here };
    const kept = this.#find(destination);
    if (kept === undefined) throw unknownDestination();
    return this.#opened(kept);
  }

  /** Tries it and stores it. Throws `BACKUP_PLACE_FAILED`, `BACKUP_HOST_KEY_OTHER`, `BACKUP_DESTINATIONS_FULL` and others; nothing is stored then. */
  async add(context: Context, body: BackupDestinationBody): Promise<BackupDestination> {
    if (this.list().length >= BACKUP_DESTINATIONS_MAX)
      throw new AppError(
        'conflict',
        'BACKUP_DESTINATIONS_FULL',
        `There are ${BACKUP_DESTINATIONS_MAX} destinations already: remove one first.`,
      );
    const kept = await this.#tried(context, newId('backupDestination'), body, undefined);
    const event = destinationAdded({ name: kept.name, place: inWords(kept) });
    this.#options.store.transact(context, event, (tx) => writeDestination(tx, kept));
    return shown(kept);
  }

  /** As `add`; without a secret the one that is stored goes on, if the server and the account are the same. Throws `BACKUP_SECRET_NEEDED` otherwise. */
  async change(context: Context, id: string, body: BackupDestinationBody): Promise<BackupDestination> {
    const before = this.#find(id);
    if (before === undefined) throw notFound();
    const kept = await this.#tried(context, id, body, before);
    const event = destinationChanged({ name: kept.name, place: inWords(kept) });
    this.#options.store.transact(context, event, (tx) => writeDestination(tx, kept));
    return shown(kept);
  }

  /** Its backups stay where they are. Throws `BACKUP_DESTINATION_IN_USE` while the schedule goes there. */
  remove(context: Context, id: string): void {
    const { store } = this.#options;
    const kept = this.#find(id);
    if (kept === undefined) throw notFound();
    const schedule = readSchedule(store);
    if (schedule?.settings.isOn === true && schedule.settings.destination === id)
      throw new AppError(
        'conflict',
        'BACKUP_DESTINATION_IN_USE',
        'The schedule goes there: choose another destination for it first.',
      );
    store.transact(context, destinationRemoved({ name: kept.name }), (tx) => removeDestination(tx, id));
  }

  /** Writes, reads and removes a small file there. Throws `BACKUP_PLACE_FAILED`, `BACKUP_HOST_KEY_OTHER`. */
  async test(id: string): Promise<void> {
    await this.#probe(this.open(id));
  }

  /** Which host key a server shows; that it was asked is audited. */
  async hostKey(context: Context, host: string, port: number): Promise<{ hostKey: string; kind: string }> {
    this.#noteAsked(context, `${host}:${port}`);
    const { askHostKey } = await import('./sftp-place.ts');
    return await askHostKey(host, port);
  }

  async #tried(
    context: Context,
    id: string,
    body: BackupDestinationBody,
    before: KeptDestination | undefined,
  ): Promise<KeptDestination> {
    const { name, place } = body;
    this.#noteAsked(context, placeInWords(place));
    if (place.kind === 'folder') {
      const kept: KeptDestination = { id, name, place, secret: null };
      await this.#probe(this.#opened(kept));
      return kept;
    }
    const { secret: given, ...rest } = place;
    const secret = given ?? this.#secretOf(before, place);
    if (secret.kind === 'private-key') {
      const { checkPrivateKey } = await import('./sftp-place.ts');
      checkPrivateKey(secret.privateKey, secret.passphrase);
    }
    await this.#probe({ ...rest, secret });
    const wrapped = wrapSecret(this.#options.keyWrap, id, place, secret);
    return { id, name, place: { ...rest, has: secret.kind }, secret: wrapped };
  }

  /** A stored secret is only ever sent to where it belongs. */
  #secretOf(before: KeptDestination | undefined, place: Extract<BackupDestinationBody['place'], { kind: 'sftp' }>): SftpSecret {
    const known = before?.place;
    if (before === undefined || known?.kind !== 'sftp' || !isSameServer(known, place)) throw secretNeeded();
    return unwrapSecret(this.#options.keyWrap, before.id, known, before.secret);
  }

  #noteAsked(context: Context, place: string): void {
    this.#options.store.transact(context, destinationAsked({ place }), () => undefined);
  }

  async #probe(place: OpenPlace): Promise<void> {
    if (place.kind === 'folder') await checkFolder(place.path, this.#options.home);
    const opened = await openBackupPlace(place);
    try {
      await opened.probe();
    } finally {
      opened.close();
    }
  }

  #opened(kept: KeptDestination): OpenPlace {
    const { place } = kept;
    if (place.kind === 'folder') return place;
    const { has: _has, ...rest } = place;
    return { ...rest, secret: unwrapSecret(this.#options.keyWrap, kept.id, place, kept.secret) };
  }

  #find(id: string): KeptDestination | undefined {
    return readDestinations(this.#options.store).find((kept) => kept.id === id);
  }
}

function shown({ id, name, place }: KeptDestination): BackupDestination {
  return { id, name, place };
}

function inWords({ place }: KeptDestination): string {
  return placeInWords(place);
}

function placeInWords(place: KeptDestination['place'] | BackupDestinationBody['place']): string {
  if (place.kind === 'folder') return `the folder ${place.path}`;
  return `${place.path} on ${place.account}@${place.host}:${place.port}, host key ${place.hostKey}`;
}
