/** The TUF repository on disk, seen through the appliance's own verifier: what it would refuse is not offered here. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyObject } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { FolderMirror } from '@bascule/package-format/folder-mirror.ts';
import { TufAuthor } from '@bascule/package-format/tuf-author.ts';
import { TUF_ROLES } from '@bascule/package-format/tuf-keys.ts';
import { UpdateClient, type Release } from '@bascule/package-format/update-client.ts';

/** How often the repository is looked at: releases arrive by rsync or from the release tool, without telling us. */
export const LOOK_EVERY_MS = 1000;

/** A release that is published while a bundle is made costs one attempt. */
const BUNDLE_ATTEMPTS_MAX = 3;

export interface RepositoryOptions {
  /** Holds `metadata/` and `targets/`. */
  directory: string;
  /** Where the metadata that we trust is kept. */
  trustDirectory: string;
  /** Private keys of snapshot and timestamp; none when another machine renews them. */
  onlineKeys: KeyObject[];
  log: Log;
  now: () => number;
}

export class Repository {
  readonly directory: string;
  readonly #options: RepositoryOptions;
  readonly #client: UpdateClient;
  readonly #mirror: FolderMirror;
  readonly #listeners: (() => void)[] = [];
  #seen = '';
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  /** Changes of the repository go one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The earliest expiry of the published metadata. */
  #validUntilMs = 0;
  /** What is logged once, not at every look. */
  #lastFault = '';

  private constructor(options: RepositoryOptions, client: UpdateClient) {
    this.directory = options.directory;
    this.#options = options;
    this.#client = client;
    this.#mirror = new FolderMirror(options.directory);
  }

  /**
   * Opens the repository; on the first start its root becomes our trust, which `onTrust` is told. Throws REPOSITORY_MISSING when there is none, and what
   * the verifier says about a root that does not follow from the one we trust.
   */
  static async open(
    options: RepositoryOptions,
    onTrust: (root: { sha256: string; version: number }) => void,
  ): Promise<Repository> {
    const { directory, trustDirectory, log, now } = options;
    const isThere = await stat(join(directory, 'metadata')).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isThere)
      throw new AppError(
        'invalid',
        'REPOSITORY_MISSING',
        `There is no repository in ${directory}: it has no folder metadata. Make one with npm run release, or copy one here.`,
      );
    const client = await UpdateClient.open({ directory: trustDirectory, now, log });
    const repository = new Repository(options, client);
    if (client.trust() === undefined) {
      const root = await client.readRoot(repository.#mirror);
      await client.confirmTrust(root.bytes);
      onTrust(root);
    }
    await repository.look();
    return repository;
  }

  /** Every verified release; the last good state when the newest does not verify. */
  releases(): Release[] {
    return this.#client.releases();
  }

  /** `listener` is called after each change that was taken over. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Looks at the repository now and then, until `close`. */
  watch(): void {
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** Renews the online roles when they are due, and takes over what is new. Never throws: what is wrong is logged, and the last good state stays. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.#noteFault(error))
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  /**
   * What a bundle needs of the repository, as it is now: with a timestamp of the longer life of bundles when we hold the key for it. Such a timestamp is a
   * change of the repository, so that they are made one after the other.
   */
  forBundle(): Promise<{ author: TufAuthor; timestamp: Buffer | undefined; validUntilMs: number }> {
    return this.#inTurn(async () => {
      const { onlineKeys } = this.#options;
      for (let attempt = 1; ; attempt++) {
        const author = await this.#author();
        if (onlineKeys.length === 0) return { author, timestamp: undefined, validUntilMs: this.#validUntilMs };
        try {
          const { bytes, validUntilMs } = await author.bundleTimestamp(onlineKeys);
          return { author, timestamp: bytes, validUntilMs: Math.min(validUntilMs, earliestExpiry(author)) };
        } catch (error) {
          // A release was published in this very moment.
          const isMeanwhile = error instanceof AppError && error.code === 'TUF_CHANGED_MEANWHILE';
          if (!isMeanwhile || attempt === BUNDLE_ATTEMPTS_MAX) throw error;
        }
      }
    });
  }

  #noteFault(error: unknown): void {
    const fault = error instanceof Error ? error.message : String(error);
    if (fault !== this.#lastFault) this.#options.log.error({ err: error }, 'repository.refused');
    this.#lastFault = fault;
  }

  #author(): Promise<TufAuthor> {
    return TufAuthor.open({ directory: this.directory, now: this.#options.now });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #look(): Promise<void> {
    const { onlineKeys, log } = this.#options;
    if (onlineKeys.length > 0)
      await this.#inTurn(async () => {
        if (await (await this.#author()).refreshOnlineRoles(onlineKeys)) log.info('repository.renewed');
      });
    const { mtimeMs, ino, size } = await stat(join(this.directory, 'metadata', 'timestamp.json'));
    const seen = `${mtimeMs} ${ino} ${size}`;
    if (seen === this.#seen) return;
    const { validUntilMs } = await this.#client.refresh(this.#mirror);
    this.#seen = seen;
    this.#lastFault = '';
    this.#validUntilMs = validUntilMs;
    log.info({ releases: this.releases().length, validUntil: new Date(validUntilMs).toISOString() }, 'repository.read');
    for (const listener of this.#listeners) listener();
  }
}

/** When the first role but the timestamp expires. */
function earliestExpiry(author: TufAuthor): number {
  return Math.min(...TUF_ROLES.filter((role) => role !== 'timestamp').map((role) => author.roleState(role).expiresMs));
}
