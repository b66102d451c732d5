/** Update repositories for tests of this and other packages: made in a folder, with keys in memory. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { canonicalize } from '@tufjs/canonical-json';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackageKind, PackageManifest } from '@bascule/protocol/package-manifest.ts';
import type { Mirror } from './mirror.ts';
import { TufAuthor } from './tuf-author.ts';
import { keyIdOf, TUF_ROLES, type DelegatedRole, type TufRole } from './tuf-keys.ts';

export function newKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey;
}

export class TestRepository {
  readonly directory: string;
  readonly keys: Record<TufRole, KeyObject[]>;
  /** What the author believes the time to be. */
  nowMs: number;
  author!: TufAuthor;
  readonly #work: string;

  private constructor(directory: string, work: string, nowMs: number) {
    this.directory = directory;
    this.#work = work;
    this.nowMs = nowMs;
    this.keys = Object.fromEntries(
      TUF_ROLES.map((role) => [role, role === 'root' ? [newKey(), newKey(), newKey()] : [newKey()]]),
    ) as never;
  }

  /** An empty, published repository in `<folder>/repository`. */
  static async create(folder: string, nowMs = Date.now()): Promise<TestRepository> {
    const repository = new TestRepository(join(folder, 'repository'), folder, nowMs);
    const { directory, keys } = repository;
    repository.author = await TufAuthor.create({ directory, keys, now: () => repository.nowMs });
    await repository.publish();
    return repository;
  }

  get allKeys(): KeyObject[] {
    return Object.values(this.keys).flat();
  }

  async publish(): Promise<string[]> {
    return this.author.publish(this.allKeys);
  }

  /** Adds a target with `content`; published by the next `publish`. */
  async add(role: DelegatedRole, path: string, content: Uint8Array | string, custom?: Record<string, unknown>): Promise<void> {
    const file = join(this.#work, 'content');
    await writeFile(file, content);
    await this.author.addTarget(role, { path, file, custom });
  }

  /** Adds a package of `kind` with `content` for an archive; gives its target. */
  async addPackage(
    kind: PackageKind,
    version: string,
    content: Uint8Array | string,
    changes: Partial<PackageManifest> = {},
  ): Promise<string> {
    const target = kind === 'licence' ? `licence/example-${version}.tar.zst` : `${kind}/bascule-${kind}-${version}.tar.zst`;
    await this.add(kind, target, content, { bascule: testManifest(kind, version, changes) });
    return target;
  }
}

/** A mirror between: `alter` sees, and may change, every metadata file; `replace` gives other bytes for targets. */
export class AlteredMirror implements Mirror {
  readonly #inner: Mirror;
  readonly #alter: (name: string, bytes: Buffer | undefined) => Buffer | undefined;
  readonly #replace: ((path: string, from: number) => AsyncIterable<Uint8Array>) | undefined;

  constructor(
    inner: Mirror,
    alter: (name: string, bytes: Buffer | undefined) => Buffer | undefined,
    replace?: (path: string, from: number) => AsyncIterable<Uint8Array>,
  ) {
    this.#inner = inner;
    this.#alter = alter;
    this.#replace = replace;
  }

  async metadata(name: string, maxBytes: number, signal?: AbortSignal): Promise<Buffer | undefined> {
    return this.#alter(name, await this.#inner.metadata(name, maxBytes, signal));
  }

  target(path: string, from: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#replace?.(path, from) ?? this.#inner.target(path, from, signal);
  }

  describe(): string {
    return 'the altered mirror';
  }
}

/** A metadata file with `edit` made to what is signed, and signed by `keys` alone; without keys the old signatures stay. */
export function editMetadata<T>(bytes: Buffer, edit: (signed: T) => void, keys?: KeyObject[]): Buffer {
  const file = JSON.parse(bytes.toString('utf8')) as { signed: T; signatures: { keyid: string; sig: string }[] };
  edit(file.signed);
  const text = Buffer.from(canonicalize(file.signed));
  if (keys) file.signatures = keys.map((key) => ({ keyid: keyIdOf(key), sig: sign(null, text, key).toString('hex') }));
  return Buffer.from(JSON.stringify(file));
}

export function testManifest(kind: PackageKind, version: string, changes: Partial<PackageManifest> = {}): PackageManifest {
  return {
    format: 'bascule-package/1',
    kind,
    version,
    revision: 'abc1234',
    releasedAtMs: 1_800_000_000_000,
    requires: {},
    installsOver: null,
    upgradesClients: kind === 'site',
    restartsBox: kind === 'base',
    emergency: false,
    migrations: [],
    runtime: kind === 'licence' ? null : 'a'.repeat(64),
    unpackedBytes: 1000,
    fileCount: 1,
    workspaces: {},
    eula: 'Example agreement.',
    notes: { en: `Release ${version}` },
    ...(kind === 'licence' && {
      licence: {
        holder: 'Example',
        maintainedUntilMs: 1_900_000_000_000,
        endpoints: null,
        concurrentRepresentatives: null,
        expiresAtMs: null,
      },
    }),
    ...changes,
  };
}
