/** The one verifier of packages: online, from a folder and from a carried file alike (package-format 4). */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncFolder } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { consistentPath } from './consistent-path.ts';
import { downloadSigned, hasHashes, wrongHash, type DownloadOptions } from './download.ts';
import type { MetadataFile } from './metadata-copy.ts';
import { MetadataStore } from './metadata-store.ts';
import type { Mirror } from './mirror.ts';
import { printable } from './tar-format.ts';
import { parseRoot, readTrusted, type Release, type TrustedView } from './trusted-view.ts';
import { DELEGATED_ROLES, type DelegatedRole } from './tuf-keys.ts';
import { expiredMetadata, withTufSession } from './tuf-session.ts';

export type { Mirror } from './mirror.ts';
export type { Release } from './trusted-view.ts';

/** As tuf-js limits roots. */
const ROOT_LIMIT_BYTES = 512_000;

export interface FoundRoot {
  bytes: Buffer;
  /** What a person compares with what the publisher says. */
  sha256: string;
  version: number;
  validUntilMs: number;
  threshold: number;
  keyIds: string[];
}

export interface UpdateClientOptions {
  /** Made when missing; base's user owns it. */
  directory: string;
  /** Effective time: never below the highest time seen. */
  now(): number;
  log: Log;
  /** The delegated roles that are read and verified; all when absent. A client program reads `CLIENT_ROLES`, a parcel holds no others. */
  roles?: readonly DelegatedRole[];
  /**
   * Dates count for nothing: signatures, thresholds, hashes, and versions that never go back. For client programs, whose appliance sees to freshness: one that
   * was without a connection for a year must not strand them (package-format 9.4).
   */
  ignoresExpiry?: boolean;
}

/** `undated`: the trusted metadata may be past its dates (package-format 10.2). */
export type ObtainOptions = DownloadOptions & { undated?: boolean };

export class UpdateClient {
  readonly #store: MetadataStore;
  readonly #packages: string;
  readonly #options: UpdateClientOptions;
  #view: TrustedView | undefined;
  /** Refreshing and changing trust go one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #obtaining = new Map<string, Promise<unknown>>();

  private constructor(options: UpdateClientOptions, store: MetadataStore, packages: string) {
    this.#options = options;
    this.#store = store;
    this.#packages = packages;
  }

  /** Opens (or makes) the folder, repairs what a power cut or a bad disk left, and verifies what is there. */
  static async open(options: UpdateClientOptions): Promise<UpdateClient> {
    const below = (name: string) => join(options.directory, name);
    const store = await MetadataStore.open({ metadata: below('metadata'), roots: below('roots'), scratch: below('scratch') });
    await mkdir(below('packages'), { recursive: true, mode: 0o700 });
    const client = new UpdateClient(options, store, below('packages'));
    client.#view = await readTrusted(store, options.log, options.roles);
    return client;
  }

  /**
   * Reads the root that `mirror` offers, to be shown to a person: it proves nothing but that it is signed by its own keys. Throws `MIRROR_INCOMPLETE` or
   * `TRUST_INVALID`.
   */
  async readRoot(mirror: Mirror, signal?: AbortSignal): Promise<FoundRoot> {
    const bytes =
      (await mirror.metadata('root.json', ROOT_LIMIT_BYTES, signal)) ??
      (await mirror.metadata('1.root.json', ROOT_LIMIT_BYTES, signal));
    if (bytes === undefined)
      throw new AppError(
        'unavailable',
        'MIRROR_INCOMPLETE',
        `${mirror.describe()} is no update repository: root.json is missing. Check the address.`,
      );
    const { signed } = trustedRoot(bytes);
    const role = signed.roles['root'];
    return {
      bytes,
      sha256: sha256(bytes),
      version: signed.version,
      validUntilMs: new Date(signed.expires).getTime(),
      threshold: role?.threshold ?? 0,
      keyIds: role?.keyIDs ?? [],
    };
  }

  /** Trusts `rootBytes` from now on and forgets all metadata of what was trusted before. Throws `TRUST_INVALID`. Packages stay. */
  async confirmTrust(rootBytes: Uint8Array): Promise<void> {
    const { signed } = trustedRoot(rootBytes);
    await this.#inTurn(async () => {
      if (this.#view?.root.bytes.equals(rootBytes)) return;
      await this.#store.reset(rootBytes, signed.version);
      this.#view = await readTrusted(this.#store, this.#options.log, this.#options.roles);
    });
  }

  /** The root that is trusted now, after all rotations. */
  trust(): { rootSha256: string; rootVersion: number; validUntilMs: number } | undefined {
    const root = this.#view?.root;
    return root && { rootSha256: sha256(root.bytes), rootVersion: root.version, validUntilMs: root.validUntilMs };
  }

  /** The earliest expiry of the metadata that is trusted now; undefined before the first whole update. */
  validUntilMs(): number | undefined {
    return this.#view?.validUntil?.ms;
  }

  /**
   * Brings the metadata up to date from `mirror`; what was verified is kept even when the rest fails. Throws as `withTufSession` does; `METADATA_EXPIRED` is
   * judged by the effective time too (package-format 4.2). `undated`: dates count for nothing this once (package-format 10.2).
   */
  async refresh(mirror: Mirror, signal?: AbortSignal, { undated = false } = {}): Promise<{ validUntilMs: number }> {
    return this.#inTurn(async () => {
      const { now, roles = DELEGATED_ROLES } = this.#options;
      const ignoresExpiry = undated || this.#options.ignoresExpiry === true;
      try {
        await withTufSession(this.#store, { mirror, now, signal, ignoresExpiry }, async (session) => {
          await session.refresh();
          // A path of each role makes tuf-js load and verify the role.
          for (const role of roles) await session.lookUp(`${role}/-`);
        });
      } finally {
        await this.#look();
      }
      const { root, validUntil } = this.#view ?? {};
      if (ignoresExpiry && validUntil !== undefined) return { validUntilMs: validUntil.ms };
      if (root && root.validUntilMs <= now()) throw expiredMetadata(mirror.describe(), 'root');
      if (validUntil === undefined || validUntil.ms <= now())
        throw expiredMetadata(mirror.describe(), validUntil?.role ?? 'metadata');
      return { validUntilMs: validUntil.ms };
    });
  }

  /**
   * The trusted metadata as a mirror with consistent snapshots names it, with every root since the first that was trusted: for `renewMetadataCopy`. Undefined
   * until there is a whole set.
   */
  async trustedFiles(): Promise<MetadataFile[] | undefined> {
    return this.#inTurn(async () => (this.#view?.validUntil === undefined ? undefined : await this.#store.consistentFiles()));
  }

  /** All releases of the trusted metadata, by role, version and name; also when it has expired. */
  releases(): Release[] {
    return this.#view?.releases ?? [];
  }

  find(target: string): Release | undefined {
    return this.releases().find((release) => release.target === target);
  }

  /**
   * Gives the verified file of `target`, downloading what is missing of it. Throws `PACKAGE_UNKNOWN`, `METADATA_EXPIRED` (what is here already is given even
   * so), `PACKAGE_HASH`, `DISK_FULL` or what the mirror throws.
   */
  async obtain(target: string, mirror: Mirror, options: ObtainOptions = {}): Promise<string> {
    const release = this.#known(target);
    const file = this.#fileOf(release);
    while (this.#obtaining.has(file)) await this.#obtaining.get(file);
    const work = this.#obtain(release, file, mirror, options);
    const settled = work.catch(() => undefined).finally(() => this.#obtaining.delete(file));
    this.#obtaining.set(file, settled);
    return work;
  }

  /** How many bytes of it are here, and whether that is the whole, which was verified when it came. */
  present(target: string): { bytes: number; verified: boolean } {
    const release = this.find(target);
    if (!release) return { bytes: 0, verified: false };
    const file = this.#fileOf(release);
    const verified = sizeOf(file) === release.lengthBytes;
    return { bytes: verified ? release.lengthBytes : Math.min(sizeOf(`${file}.part`) ?? 0, release.lengthBytes), verified };
  }

  pathOf(target: string): string | undefined {
    const release = this.find(target);
    return release && this.present(target).verified ? this.#fileOf(release) : undefined;
  }

  /** Reads the whole file of `target` again and gives its path. Throws `PACKAGE_HASH`, having removed it, when it was changed on disk; `PACKAGE_UNKNOWN`. */
  async verifyAgain(target: string, signal?: AbortSignal): Promise<string> {
    const release = this.#known(target);
    const file = this.pathOf(target);
    if (file === undefined)
      throw new AppError('not-found', 'PACKAGE_MISSING', `${printable(target)} is not on this appliance. Download it first.`);
    if (await hasHashes(file, { sha256: release.sha256 }, signal)) return file;
    await this.discard(target);
    throw wrongHash({ name: target }, 'this disk');
  }

  /** Removes what is here of `target`. */
  async discard(target: string): Promise<void> {
    const release = this.find(target);
    if (!release) return;
    const file = this.#fileOf(release);
    await rm(file, { force: true });
    await rm(`${file}.part`, { force: true });
    await syncFolder(dirname(file));
  }

  /** Removes files of packages that no trusted metadata names any more; gives how many. */
  async discardUnknown(): Promise<number> {
    const known = new Set(this.releases().map((release) => basename(this.#fileOf(release))));
    const unknown = (await readdir(this.#packages)).filter((name) => !known.has(name.replace(/\.part$/, '')));
    for (const name of unknown) await rm(join(this.#packages, name), { force: true });
    return unknown.length;
  }

  async #obtain(release: Release, file: string, mirror: Mirror, options: ObtainOptions): Promise<string> {
    if (this.present(release.target).verified) {
      options.onProgress?.(release.lengthBytes, release.lengthBytes);
      return file;
    }
    const { validUntil } = this.#view ?? {};
    const isUndated = this.#options.ignoresExpiry || options.undated;
    const isFresh = validUntil !== undefined && (isUndated || validUntil.ms > this.#options.now());
    if (!isFresh) throw expiredMetadata(mirror.describe(), validUntil?.role ?? 'metadata');
    const { target: name, lengthBytes, sha256: hash } = release;
    await downloadSigned(
      file,
      { name, remotePath: consistentPath(name, hash), lengthBytes, hashes: { sha256: hash } },
      mirror,
      options,
    );
    return file;
  }

  /** After an update that was cut short the last whole set stands, as long as it is valid: withholding files gains nobody more than withholding all. */
  async #look(): Promise<void> {
    const view = await readTrusted(this.#store, this.#options.log, this.#options.roles);
    this.#view = view && view.validUntil === undefined && this.#view ? { ...this.#view, root: view.root } : view;
  }

  #known(target: string): Release {
    const release = this.find(target);
    if (release) return release;
    throw new AppError(
      'not-found',
      'PACKAGE_UNKNOWN',
      `No signed metadata names ${printable(target)}. Check for updates, then try again.`,
    );
  }

  /** The hash in the name: a file of this name and length is the one that was verified. */
  #fileOf(release: Release): string {
    return join(this.#packages, `${release.sha256}.${basename(release.target)}`.slice(0, 240));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}

function trustedRoot(bytes: Uint8Array) {
  const root = bytes.length <= ROOT_LIMIT_BYTES ? parseRoot(bytes) : undefined;
  if (root) return root;
  throw new AppError(
    'invalid',
    'TRUST_INVALID',
    'This is no root of an update repository, or its own keys did not sign it. Check the address.',
  );
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function sizeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.size;
}
