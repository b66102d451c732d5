/** The files of an update repository: `metadata/`, `targets/` and what is staged (package-format 3.5). */
import { createReadStream } from 'node:fs';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { syncFolder } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { consistentPath } from './consistent-path.ts';
import { writeOrSayWhy } from './disk-fault.ts';
import { TUF_ROLES, type TufRole } from './tuf-keys.ts';

const LOCK_TRIES = 100;
const LOCK_WAIT_MS = 50;
/** A lock that is older belongs to a program that died. */
const LOCK_LIFE_MS = 60_000;

const publicKey = z.object({ keytype: z.string(), scheme: z.string(), keyval: z.object({ public: z.string() }) });
const roleKeys = z.object({ keyids: z.array(z.string()), threshold: z.number().int().positive() });
const targetEntry = z.object({
  length: z.number().int().nonnegative(),
  hashes: z.record(z.string(), z.string()),
  custom: z.record(z.string(), z.unknown()).optional(),
});
const common = { spec_version: z.string(), version: z.number().int().nonnegative(), expires: z.string() };
export const signedBody = z.discriminatedUnion('_type', [
  z.object({
    _type: z.literal('root'),
    ...common,
    consistent_snapshot: z.literal(true),
    keys: z.record(z.string(), publicKey),
    roles: z.object({ root: roleKeys, targets: roleKeys, snapshot: roleKeys, timestamp: roleKeys }),
  }),
  z.object({
    _type: z.literal('targets'),
    ...common,
    targets: z.record(z.string(), targetEntry),
    delegations: z
      .object({
        keys: z.record(z.string(), publicKey),
        roles: z.array(roleKeys.extend({ name: z.string(), terminating: z.boolean(), paths: z.array(z.string()) })),
      })
      .optional(),
  }),
  z.object({
    _type: z.literal('snapshot'),
    ...common,
    meta: z.record(z.string(), z.object({ version: z.number().int().positive() })),
  }),
  z.object({
    _type: z.literal('timestamp'),
    ...common,
    meta: z.object({
      'snapshot.json': z.object({ version: z.number().int(), length: z.number(), hashes: z.record(z.string(), z.string()) }),
    }),
  }),
]);
export type SignedBody = z.infer<typeof signedBody>;
export type RootBody = Extract<SignedBody, { _type: 'root' }>;
export type TargetsBody = Extract<SignedBody, { _type: 'targets' }>;
export type SnapshotBody = Extract<SignedBody, { _type: 'snapshot' }>;
export type TimestampBody = Extract<SignedBody, { _type: 'timestamp' }>;
export interface RoleBodies {
  root: RootBody;
  targets: TargetsBody;
  snapshot: SnapshotBody;
  timestamp: TimestampBody;
  base: TargetsBody;
  site: TargetsBody;
  licence: TargetsBody;
  client: TargetsBody;
  runtime: TargetsBody;
}
export interface Signature {
  keyid: string;
  sig: string;
}
const envelope = z.object({ signed: signedBody, signatures: z.array(z.object({ keyid: z.string(), sig: z.string() })) });

/** Reads and writes files; signs and decides nothing. */
export class TufRepository {
  readonly directory: string;
  readonly #metadata: string;

  constructor(directory: string) {
    this.directory = directory;
    this.#metadata = join(directory, 'metadata');
  }

  /** The newest file of each role; undefined when there is no root. Throws `TUF_REPOSITORY_DAMAGED`. */
  async readAll(): Promise<RoleBodies | undefined> {
    const bodies: Partial<Record<TufRole, SignedBody>> = {};
    for (const role of TUF_ROLES) {
      const version = await this.newestVersion(role);
      const file = role === 'timestamp' ? 'timestamp.json' : `${version}.${role}.json`;
      if (version > 0) bodies[role] = parseEnvelope(await readFile(join(this.#metadata, file)), file).signed;
    }
    if (Object.keys(bodies).length === 0) return undefined;
    const missing = TUF_ROLES.filter((role) => bodies[role] === undefined);
    if (missing.length > 0) throw damaged(this.directory, `metadata of ${missing.join(', ')} is missing`);
    return bodies as RoleBodies;
  }

  /** 0 when there is none. */
  async newestVersion(role: TufRole): Promise<number> {
    if (role === 'timestamp') {
      const bytes = await this.metadataFile('timestamp.json');
      return bytes === undefined ? 0 : parseEnvelope(bytes, 'timestamp.json').signed.version;
    }
    const names = await this.metadataNames();
    return Math.max(0, ...names.map((name) => (name.endsWith(`.${role}.json`) ? Number.parseInt(name, 10) : 0)));
  }

  async metadataNames(): Promise<string[]> {
    return readdir(this.#metadata).catch(() => []);
  }

  async metadataFile(name: string): Promise<Buffer | undefined> {
    return readIfThere(join(this.#metadata, name));
  }

  async writeMetadata(name: string, bytes: Uint8Array): Promise<void> {
    await mkdir(this.#metadata, { recursive: true, mode: 0o755 });
    await writeOrSayWhy(join(this.#metadata, name), bytes, 0o644);
  }

  /** A root that waits for more signatures. */
  async readStagedRoot(): Promise<{ body: RootBody; signatures: Signature[] } | undefined> {
    const bytes = await readIfThere(this.#staged);
    if (bytes === undefined) return undefined;
    const { signed, signatures } = parseEnvelope(bytes, 'staged/root.json');
    if (signed._type !== 'root') throw damaged(this.directory, 'staged/root.json is no root');
    return { body: signed, signatures };
  }

  async writeStagedRoot(bytes: Uint8Array | undefined): Promise<void> {
    if (bytes === undefined) return rm(this.#staged, { force: true });
    await mkdir(dirname(this.#staged), { recursive: true, mode: 0o755 });
    await writeOrSayWhy(this.#staged, bytes, 0o644);
  }

  /** Copies `file` to its place below targets/; gives its length and hash. A file of the same name and length is left alone. */
  async copyTarget(path: string, file: string): Promise<{ length: number; sha256: string }> {
    const hash = createHash('sha256');
    let length = 0;
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      length += chunk.length;
    }
    const sha256 = hash.digest('hex');
    const target = join(this.directory, 'targets', consistentPath(path, sha256));
    const old = await stat(target).catch(() => undefined);
    if (old?.size === length) return { length, sha256 };
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    await copyFile(file, `${target}.tmp`);
    const handle = await open(`${target}.tmp`, 'r+');
    try {
      await handle.chmod(0o644);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${target}.tmp`, target);
    await syncFolder(dirname(target));
    return { length, sha256 };
  }

  /** Runs `work` while no other program changes the repository. Throws `TUF_BUSY`. */
  async locked<T>(work: () => Promise<T>): Promise<T> {
    const lock = join(this.directory, 'publish.lock');
    await mkdir(this.directory, { recursive: true, mode: 0o755 });
    for (let tries = 1; ; tries++) {
      try {
        await (await open(lock, 'wx', 0o644)).close();
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const age = Date.now() - (await stat(lock).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
      if (age > LOCK_LIFE_MS) await rm(lock, { force: true });
      else if (tries >= LOCK_TRIES)
        throw new AppError(
          'unavailable',
          'TUF_BUSY',
          `${this.directory} is being changed by another program. Try again in a minute.`,
        );
      else await sleep(LOCK_WAIT_MS);
    }
    try {
      return await work();
    } finally {
      await rm(lock, { force: true });
    }
  }

  get #staged(): string {
    return join(this.directory, 'staged', 'root.json');
  }
}

function parseEnvelope(bytes: Buffer, name: string): z.infer<typeof envelope> {
  try {
    return envelope.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    throw damaged(name, (error as Error).message.slice(0, 200));
  }
}

function damaged(where: string, reason: string): AppError {
  return new AppError(
    'internal',
    'TUF_REPOSITORY_DAMAGED',
    `The update repository is damaged at ${where}: ${reason}. Copy it from a mirror.`,
  );
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
