/** Makes, signs and publishes update repositories (package-format 3): used by the release tool, the update server and tests. */
import { createHash, sign, type KeyObject } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { canonicalize } from '@tufjs/canonical-json';
import { AppError } from '@bascule/errors/app-error.ts';
import { consistentPath } from './consistent-path.ts';
import { isSafePath, printable } from './tar-format.ts';
import { checkSigned } from './tuf-chain.ts';
import {
  DELEGATED_ROLES,
  keyIdOf,
  ROOT_THRESHOLD,
  TUF_ROLES,
  tufPublicKey,
  type DelegatedRole,
  type TufRole,
} from './tuf-keys.ts';
import { TufRepository, type RoleBodies, type Signature } from './tuf-repository.ts';
import { countOf, delegatorOf, dropUnusedKeys, emptyBodies, envelopeOf, instant, isTopLevel, rolesKeysIn } from './tuf-roles.ts';

const DAY_MS = 86_400_000;
/** How long metadata of each role is valid (package-format 3.5). */
export const METADATA_LIFE_MS: Record<TufRole, number> = {
  root: 365 * DAY_MS,
  targets: 365 * DAY_MS,
  base: 365 * DAY_MS,
  site: 365 * DAY_MS,
  licence: 365 * DAY_MS,
  client: 365 * DAY_MS,
  runtime: 365 * DAY_MS,
  snapshot: 60 * DAY_MS,
  timestamp: 7 * DAY_MS,
};
/** How long a carried file can be used (package-format 5.5). */
export const BUNDLE_LIFE_MS = 30 * DAY_MS;

export interface AuthorOptions {
  /** Holds `metadata/` and `targets/`, which mirrors copy, and `staged/`. */
  directory: string;
  now(): number;
}

export interface RootChange {
  sha256: string;
  version: number;
  expiresMs: number;
  /** Key ids that a top role gets and loses, and how many of its keys must sign. */
  roles: { role: TufRole; threshold: number; thresholdBefore: number; added: string[]; removed: string[] }[];
}

export class TufAuthor {
  readonly #repository: TufRepository;
  readonly #now: () => number;
  readonly #bodies: RoleBodies;
  /** As published: whose keys clients trust until they have the new. */
  #published: RoleBodies | undefined;
  readonly #changed = new Set<TufRole>();
  #stagedSignatures: Signature[] = [];
  #isRootWaiting = false;

  private constructor(repository: TufRepository, now: () => number, bodies: RoleBodies, published: RoleBodies | undefined) {
    this.#repository = repository;
    this.#now = now;
    this.#bodies = bodies;
    this.#published = published;
  }

  /**
   * Lays down a new repository; public keys suffice for what is signed elsewhere. Nothing is written before `publish`. Throws `TUF_REPOSITORY_EXISTS`.
   */
  static async create(
    options: AuthorOptions & { keys: Record<TufRole, KeyObject[]>; rootThreshold?: number },
  ): Promise<TufAuthor> {
    const repository = new TufRepository(options.directory);
    if ((await repository.newestVersion('root')) > 0)
      throw new AppError('conflict', 'TUF_REPOSITORY_EXISTS', `There is an update repository in ${options.directory} already.`);
    const author = new TufAuthor(repository, options.now, emptyBodies(), undefined);
    for (const role of TUF_ROLES)
      author.changeKeys(role, options.keys[role], role === 'root' ? (options.rootThreshold ?? ROOT_THRESHOLD) : 1);
    for (const role of TUF_ROLES) author.#changed.add(role);
    return author;
  }

  /**
   * Opens a repository on disk, as published; with `withStagedRoot` with the root that waits for signatures. Throws `TUF_REPOSITORY_MISSING`,
   * `TUF_REPOSITORY_DAMAGED` or `TUF_REPOSITORY_ALTERED`.
   */
  static async open(options: AuthorOptions & { withStagedRoot?: boolean }): Promise<TufAuthor> {
    const repository = new TufRepository(options.directory);
    const bodies = await repository.readAll();
    if (!bodies)
      throw new AppError(
        'not-found',
        'TUF_REPOSITORY_MISSING',
        `There is no update repository in ${options.directory}. Make one first.`,
      );
    await checkSigned(repository);
    const author = new TufAuthor(repository, options.now, bodies, structuredClone(bodies));
    const staged = await repository.readStagedRoot();
    author.#isRootWaiting = staged?.body.version === bodies.root.version + 1;
    if (staged !== undefined && author.#isRootWaiting && options.withStagedRoot === true) {
      author.#bodies.root = staged.body;
      author.#stagedSignatures = staged.signatures;
      author.#changed.add('root');
    }
    return author;
  }

  /** Whether a root waits in `staged/` for signatures. */
  get isRootWaiting(): boolean {
    return this.#isRootWaiting;
  }

  /** What the root would change, for its holders to look at before they sign; `sha256` is of what is signed. */
  rootChange(): RootChange {
    const { root } = this.#bodies;
    const roles = (['root', 'targets', 'snapshot', 'timestamp'] as const).map((role) => {
      const { keyids, threshold } = rolesKeysIn(this.#bodies, role);
      const before = this.#published ? rolesKeysIn(this.#published, role) : { keyids: [], threshold: 0 };
      return {
        role,
        threshold,
        thresholdBefore: before.threshold,
        added: keyids.filter((keyid) => !before.keyids.includes(keyid)),
        removed: before.keyids.filter((keyid) => !keyids.includes(keyid)),
      };
    });
    const sha256 = createHash('sha256').update(canonicalize(root)).digest('hex');
    return { sha256, version: root.version, expiresMs: Date.parse(root.expires), roles };
  }

  /** Keys and threshold of a role, as they will be after `publish`. */
  roleKeys(role: TufRole): { keyIds: string[]; threshold: number } {
    const { keyids, threshold } = rolesKeysIn(this.#bodies, role);
    return { keyIds: keyids, threshold };
  }

  /** When the metadata of a role expires, and its version. */
  roleState(role: TufRole): { version: number; expiresMs: number } {
    const { version, expires } = this.#bodies[role];
    return { version, expiresMs: Date.parse(expires) };
  }

  /** All targets of a role. */
  targets(role: DelegatedRole): { path: string; lengthBytes: number; sha256: string; custom: Record<string, unknown> }[] {
    return Object.entries(this.#bodies[role].targets).map(([path, { length, hashes, custom }]) => ({
      path,
      lengthBytes: length,
      sha256: hashes['sha256'] ?? '',
      custom: custom ?? {},
    }));
  }

  /** The file below `targets/` of a target of any role. */
  targetFile(path: string): { relativePath: string; lengthBytes: number; sha256: string } | undefined {
    const entry = DELEGATED_ROLES.map((role) => this.#bodies[role].targets[path]).find((found) => found !== undefined);
    const sha256 = entry?.hashes['sha256'];
    if (entry === undefined || sha256 === undefined) return undefined;
    return { relativePath: consistentPath(path, sha256), lengthBytes: entry.length, sha256 };
  }

  /**
   * Copies `file` into the repository and names it in `role`; a target of the same name is replaced. Throws `TUF_TARGET_PATH` when the path is not below
   * `<role>/`.
   */
  async addTarget(role: DelegatedRole, target: { path: string; file: string; custom?: Record<string, unknown> }): Promise<void> {
    if (!isSafePath(target.path) || !target.path.startsWith(`${role}/`))
      throw new AppError(
        'invalid',
        'TUF_TARGET_PATH',
        `Targets of the role ${role} lie below ${role}/, not at '${printable(target.path)}'.`,
      );
    const { length, sha256 } = await this.#repository.copyTarget(target.path, target.file);
    // As JSON will have it: what is undefined is not signed.
    const custom = target.custom && (JSON.parse(JSON.stringify(target.custom)) as Record<string, unknown>);
    const entry = { length, hashes: { sha256 }, ...(custom && { custom }) };
    if (isDeepStrictEqual(this.#bodies[role].targets[target.path], entry)) return;
    this.#bodies[role].targets[target.path] = entry;
    this.#changed.add(role);
  }

  /** Takes a target out of its role: no appliance that hears of it installs it any more. Its file stays. */
  removeTarget(role: DelegatedRole, path: string): void {
    if (this.#bodies[role].targets[path] === undefined) return;
    delete this.#bodies[role].targets[path];
    this.#changed.add(role);
  }

  /**
   * Gives a role these keys and no others: rotation and revocation (package-format 3.6). `publish` needs, for root, a threshold of the old and of the new keys;
   * for the rest the new keys, and the old too when clients shall not notice. Throws `TUF_THRESHOLD`.
   */
  changeKeys(role: TufRole, keys: KeyObject[], threshold = rolesKeysIn(this.#bodies, role).threshold): void {
    const keyids = [...new Set(keys.map(keyIdOf))];
    if (keyids.length < threshold || threshold < 1)
      throw new AppError(
        'invalid',
        'TUF_THRESHOLD',
        `The role ${role} needs ${threshold} different keys; there are ${keyids.length}.`,
      );
    const delegator = delegatorOf(this.#bodies, role);
    for (const key of keys) delegator.keys[keyIdOf(key)] = tufPublicKey(key);
    Object.assign(rolesKeysIn(this.#bodies, role), { keyids, threshold });
    dropUnusedKeys(delegator);
    const holder = isTopLevel(role) ? 'root' : 'targets';
    if (holder === 'root') this.#stagedSignatures = [];
    this.#changed.add(holder).add(role);
  }

  /** Gives a role a new version and life without any other change. */
  renew(role: TufRole): void {
    this.#changed.add(role);
  }

  /**
   * Signs a changed root with those of `keys` that may, and keeps it in `staged/` until enough have signed: each holder of a root key does so in turn. Gives how
   * many signatures of each kind are there. Throws `TUF_NOTHING_STAGED`.
   */
  async stageRoot(keys: KeyObject[]): Promise<{ have: number; need: number }> {
    if (!this.#changed.has('root'))
      throw new AppError(
        'conflict',
        'TUF_NOTHING_STAGED',
        'There is no changed root to be signed. Change keys or renew the root first.',
      );
    const body = this.#bodies.root;
    if (body.version === (this.#published?.root.version ?? 0)) this.#bumpVersion('root');
    this.#stagedSignatures = this.#sign('root', keys);
    await this.#repository.locked(() => this.#repository.writeStagedRoot(envelopeOf(body, this.#stagedSignatures)));
    return {
      have: this.#stagedSignatures.length,
      need: this.#rootSignaturesNeeded(this.#stagedSignatures) + this.#stagedSignatures.length,
    };
  }

  /**
   * Signs every changed role and publishes; keys that fit no role are ignored. Order: delegated roles, targets, snapshot, timestamp, root, so that clients find a
   * valid repository at every moment; a root whose predecessor's timestamp key is not at hand goes before the timestamp. With `offline`, snapshot and timestamp
   * are left to the next `publish`, which may happen on another machine. Gives the names of the files written. Throws, having written nothing,
   * `TUF_KEYS_MISSING` or `TUF_CHANGED_MEANWHILE`.
   */
  async publish(keys: KeyObject[], options: { offline?: boolean } = {}): Promise<string[]> {
    return this.#repository.locked(async () => {
      await this.#checkUnchanged();
      const files = this.#signAll(keys, options.offline ?? false);
      for (const [name, bytes] of files) await this.#repository.writeMetadata(name, bytes);
      if (this.#changed.has('root')) await this.#repository.writeStagedRoot(undefined);
      this.#stagedSignatures = [];
      this.#changed.clear();
      this.#published = structuredClone(this.#bodies);
      return files.map(([name]) => name);
    });
  }

  /** Renews snapshot and timestamp when less than half of their life is left, or targets were signed offline; whether it did. Throws as `publish`. */
  async refreshOnlineRoles(keys: KeyObject[]): Promise<boolean> {
    for (const role of ['snapshot', 'timestamp'] as const)
      if (this.roleState(role).expiresMs - this.#now() < METADATA_LIFE_MS[role] / 2) this.#changed.add(role);
    this.#noticeOfflineWork();
    if (this.#changed.size === 0) return false;
    await this.publish(keys);
    return true;
  }

  /**
   * A timestamp for bundles, valid for `lifeMs`, which is not published; the public one is renewed with the next version, so that no two timestamps of one
   * version exist (package-format 5.5). Throws as `publish`.
   */
  async bundleTimestamp(keys: KeyObject[], lifeMs: number = BUNDLE_LIFE_MS): Promise<{ bytes: Buffer; validUntilMs: number }> {
    if (this.roleState('snapshot').expiresMs - this.#now() < lifeMs) {
      this.#changed.add('snapshot');
      await this.publish(keys);
    }
    await this.#checkUnchanged();
    const body = this.#bodies.timestamp;
    body.version += 1;
    body.expires = instant(this.#now() + lifeMs);
    const bytes = envelopeOf(body, this.#signEnough('timestamp', keys));
    this.#changed.add('timestamp');
    await this.publish(keys);
    return { bytes, validUntilMs: this.#now() + lifeMs };
  }

  /** Names below `metadata/` that a client with root `rootVersion` needs, the timestamp last. */
  metadataFiles(rootVersion: number): string[] {
    const roots = Array.from(
      { length: Math.max(0, this.#bodies.root.version - rootVersion) },
      (_, index) => `${rootVersion + 1 + index}.root.json`,
    );
    const { meta } = this.#bodies.snapshot;
    const rest = Object.entries(meta).map(([name, { version }]) => `${version}.${name}`);
    return ['root.json', ...roots, ...rest, `${this.#bodies.snapshot.version}.snapshot.json`, 'timestamp.json'];
  }

  /** The bytes of a published metadata file. */
  async metadataFile(name: string): Promise<Buffer | undefined> {
    return this.#repository.metadataFile(name);
  }

  /** The file at `relativePath` of `targetFile`. */
  get targetsDirectory(): string {
    return `${this.#repository.directory}/targets`;
  }

  #signAll(keys: KeyObject[], offline: boolean): [string, Buffer][] {
    this.#noticeOfflineWork();
    if (!offline && [...this.#changed].some((role) => role !== 'root' && role !== 'timestamp')) this.#changed.add('snapshot');
    if (this.#changed.has('snapshot')) this.#changed.add('timestamp');
    if (offline) for (const role of ['snapshot', 'timestamp'] as const) this.#changed.delete(role);
    const before = structuredClone(this.#bodies);
    try {
      return this.#signInOrder(keys);
    } catch (error) {
      Object.assign(this.#bodies, before);
      throw error;
    }
  }

  #signInOrder(keys: KeyObject[]): [string, Buffer][] {
    const files: [string, Buffer][] = [];
    const add = (role: TufRole, name: (version: number) => string) => {
      if (!this.#changed.has(role)) return;
      // A staged root has its version already: signatures were made over it.
      if (role !== 'root' || this.#bodies.root.version === (this.#published?.root.version ?? 0)) this.#bumpVersion(role);
      files.push([name(this.#bodies[role].version), envelopeOf(this.#bodies[role], this.#signEnough(role, keys))]);
    };
    for (const role of [...DELEGATED_ROLES, 'targets'] as const) add(role, (version) => `${version}.${role}.json`);
    if (this.#changed.has('snapshot'))
      this.#bodies.snapshot.meta = Object.fromEntries(
        (['targets', ...DELEGATED_ROLES] as const).map((role) => [`${role}.json`, { version: this.#bodies[role].version }]),
      );
    add('snapshot', (version) => `${version}.snapshot.json`);
    const snapshot = files.find(([name]) => name.endsWith('.snapshot.json'))?.[1];
    if (snapshot)
      this.#bodies.timestamp.meta['snapshot.json'] = {
        version: this.#bodies.snapshot.version,
        length: snapshot.length,
        hashes: { sha256: createHash('sha256').update(snapshot).digest('hex') },
      };
    add('timestamp', () => 'timestamp.json');
    add('root', (version) => `${version}.root.json`);
    const root = files.find(([name]) => name.endsWith('.root.json'));
    if (root === undefined) return files;
    const isNoticed = this.#changed.has('timestamp') && !this.#fitsPublishedRoot('timestamp', keys);
    const ordered = isNoticed
      ? files.toSorted(([a], [b]) => Number(a === 'timestamp.json') - Number(b === 'timestamp.json'))
      : files;
    return [...ordered, ['root.json', root[1]]];
  }

  /** What was signed offline and is in no snapshot yet. */
  #noticeOfflineWork(): void {
    const { meta } = this.#bodies.snapshot;
    if (
      (['targets', ...DELEGATED_ROLES] as const).some((role) => (meta[`${role}.json`]?.version ?? 0) < this.#bodies[role].version)
    )
      this.#changed.add('snapshot');
  }

  #bumpVersion(role: TufRole): void {
    this.#bodies[role].version += 1;
    this.#bodies[role].expires = instant(this.#now() + METADATA_LIFE_MS[role]);
  }

  /** Signatures by every key of `keys` that the role has, or had in what clients trust now, and those that are staged. */
  #sign(role: TufRole, keys: KeyObject[]): Signature[] {
    const allowed = new Set([
      ...rolesKeysIn(this.#bodies, role).keyids,
      ...(this.#published ? rolesKeysIn(this.#published, role).keyids : []),
    ]);
    const signatures = new Map(role === 'root' ? this.#stagedSignatures.map((signature) => [signature.keyid, signature]) : []);
    const text = Buffer.from(canonicalize(this.#bodies[role]));
    for (const key of keys) {
      const keyid = keyIdOf(key);
      if (allowed.has(keyid) && key.type === 'private')
        signatures.set(keyid, { keyid, sig: sign(null, text, key).toString('hex') });
    }
    return [...signatures.values()];
  }

  #signEnough(role: TufRole, keys: KeyObject[]): Signature[] {
    const signatures = this.#sign(role, keys);
    const { keyids, threshold } = rolesKeysIn(this.#bodies, role);
    const have = countOf(signatures, keyids);
    const missing = role === 'root' ? this.#rootSignaturesNeeded(signatures) : threshold - have;
    if (missing <= 0) return signatures;
    throw new AppError(
      'invalid',
      'TUF_KEYS_MISSING',
      `${missing} more private key(s) of the role ${role} must sign (threshold ${threshold}${role === 'root' ? ', of the old and of the new keys' : ''}). Nothing was published.`,
      { params: { role, missing } },
    );
  }

  /** How many more signatures a root needs: a threshold of the new keys, and one of the old. */
  #rootSignaturesNeeded(signatures: Signature[]): number {
    return Math.max(
      0,
      ...[this.#bodies, this.#published].map((bodies) => {
        if (!bodies) return 0;
        const { keyids, threshold } = rolesKeysIn(bodies, 'root');
        return threshold - countOf(signatures, keyids);
      }),
    );
  }

  #fitsPublishedRoot(role: TufRole, keys: KeyObject[]): boolean {
    if (!this.#published) return true;
    const { keyids, threshold } = rolesKeysIn(this.#published, role);
    return countOf(this.#sign(role, keys), keyids) >= threshold;
  }

  async #checkUnchanged(): Promise<void> {
    for (const role of TUF_ROLES)
      if ((await this.#repository.newestVersion(role)) !== (this.#published?.[role].version ?? 0))
        throw new AppError(
          'conflict',
          'TUF_CHANGED_MEANWHILE',
          'The repository was changed by another program meanwhile. Open it again, then repeat the change.',
        );
  }
}
