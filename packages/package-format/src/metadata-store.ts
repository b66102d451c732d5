/** Trusted metadata on disk (package-format 4.3): whole files only, repaired when one cannot be read, and never older than what was verified once. */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Metadata, MetadataKind } from '@tufjs/models';
import { syncFolder } from '@bascule/core/durable-file.ts';
import { diskFault, writeOrSayWhy } from './disk-fault.ts';
import type { MetadataFile } from './metadata-copy.ts';

/** Each file of these must be in place before the next: a power cut between two leaves what a refused update would leave. */
const TOP_LEVEL = ['root', 'timestamp', 'snapshot', 'targets'] as const;
const SCRATCH_PREFIX = 'scratch-';

export class MetadataStore {
  readonly metadata: string;
  readonly #roots: string;
  readonly #scratch: string;

  private constructor(metadata: string, roots: string, scratch: string) {
    this.metadata = metadata;
    this.#roots = roots;
    this.#scratch = scratch;
  }

  /**
   * `metadata` gets `root.json`, `timestamp.json` and so on; `roots` every root that was trusted, apart, so that trust survives the loss of the first folder;
   * `scratch` is the folder in which tuf-js works on copies.
   */
  static async open(folders: { metadata: string; roots: string; scratch: string }): Promise<MetadataStore> {
    const store = new MetadataStore(folders.metadata, folders.roots, folders.scratch);
    for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true, mode: 0o700 });
    await store.#repair();
    return store;
  }

  /** The bytes of a role's file; undefined when there is none. */
  async read(role: string): Promise<Buffer | undefined> {
    return readIfThere(join(this.metadata, fileName(role)));
  }

  /** All files as a mirror with consistent snapshots names them; every kept root. Verifies nothing: for a store whose view is whole. */
  async consistentFiles(): Promise<MetadataFile[]> {
    const files: MetadataFile[] = [];
    for (const name of await readdir(this.#roots))
      if (/^\d+\.root\.json$/.test(name)) files.push({ name, bytes: await readFile(join(this.#roots, name)) });
    for (const name of await this.#names()) {
      if (name === 'root.json') continue;
      const bytes = await readFile(join(this.metadata, name));
      const version = aboutMetadata(bytes, name)?.version;
      if (version !== undefined) files.push({ name: name === 'timestamp.json' ? name : `${version}.${name}`, bytes });
    }
    return files;
  }

  /** Makes `bytes` the trusted root and forgets all else: a person decided so. */
  async reset(bytes: Uint8Array, version: number): Promise<void> {
    for (const folder of [this.metadata, this.#roots]) {
      for (const name of await readdir(folder)) if (name.endsWith('.json') && name !== 'root.json') await rm(join(folder, name));
      await syncFolder(folder);
    }
    await writeOrSayWhy(join(this.metadata, 'root.json'), bytes);
    await writeOrSayWhy(join(this.#roots, `${version}.root.json`), bytes);
  }

  /** A folder with copies of all files for tuf-js to write in; `removeScratch` when done. */
  async makeScratch(): Promise<string> {
    const scratch = await mkdtemp(join(this.#scratch, SCRATCH_PREFIX));
    try {
      for (const name of await this.#names()) await copyFile(join(this.metadata, name), join(scratch, name));
    } catch (error) {
      await this.removeScratch(scratch);
      throw diskFault(error);
    }
    return scratch;
  }

  async removeScratch(scratch: string): Promise<void> {
    await rm(scratch, { recursive: true, force: true });
  }

  /**
   * Takes over what tuf-js verified and wrote in `scratch`, file by file in the order root, timestamp, snapshot, targets, delegated. Stops before the first
   * that has expired at `nowMs`, the root apart: an expired root is followed by nothing. `roots` are those that tuf-js read on its way: the ones up to the root
   * that it wrote were verified one by the other, and are kept for those who follow later.
   */
  async takeOver(scratch: string, nowMs: number, roots: ReadonlyMap<number, Buffer> = new Map()): Promise<void> {
    const names = (await readdir(scratch)).filter((name) => name.endsWith('.json'));
    const top = TOP_LEVEL.map(fileName).filter((name) => names.includes(name));
    const delegated = names.filter((name) => !top.includes(name)).toSorted();
    for (const name of [...top, ...delegated]) {
      const bytes = await readFile(join(scratch, name));
      const about = aboutMetadata(bytes, name);
      if (about === undefined) continue;
      const isExpired = about.expiresMs <= nowMs;
      if (isExpired && name !== 'root.json') return;
      const old = await readIfThere(join(this.metadata, name));
      if (!old?.equals(bytes)) await writeOrSayWhy(join(this.metadata, name), bytes);
      if (name === 'root.json') {
        for (const [version, passed] of roots) if (version < about.version) await this.#keepRoot(passed, version);
        await this.#keepRoot(bytes, about.version);
      }
      if (isExpired) return;
    }
  }

  async #keepRoot(bytes: Buffer, version: number): Promise<void> {
    const file = join(this.#roots, `${version}.root.json`);
    const kept = await readIfThere(file);
    if (!kept?.equals(bytes)) await writeOrSayWhy(file, bytes);
  }

  /** Removes what cannot be read; of root.json and the kept roots the newest readable one stands. */
  async #repair(): Promise<void> {
    for (const name of await readdir(this.#scratch)) {
      if (name.startsWith(SCRATCH_PREFIX)) await this.removeScratch(join(this.#scratch, name));
    }
    for (const folder of [this.metadata, this.#roots]) {
      for (const name of await readdir(folder)) if (name.endsWith('.tmp')) await rm(join(folder, name));
    }
    for (const name of await this.#names()) {
      if (aboutMetadata(await readFile(join(this.metadata, name)), name) === undefined) await rm(join(this.metadata, name));
    }
    const current = await this.read('root');
    let best = current === undefined ? undefined : { bytes: current, version: versionOf(current) };
    for (const name of await readdir(this.#roots)) {
      if (!/^\d+\.root\.json$/.test(name)) continue;
      const bytes = await readFile(join(this.#roots, name));
      const version = versionOf(bytes);
      if (version > (best?.version ?? 0)) best = { bytes, version };
    }
    if (best === undefined || best.version === 0) return;
    if (current === undefined || !current.equals(best.bytes)) await writeOrSayWhy(join(this.metadata, 'root.json'), best.bytes);
    await this.#keepRoot(best.bytes, best.version);
  }

  async #names(): Promise<string[]> {
    return (await readdir(this.metadata)).filter((name) => name.endsWith('.json'));
  }
}

function versionOf(root: Buffer): number {
  return aboutMetadata(root, 'root.json')?.version ?? 0;
}

/** As tuf-js names files. */
function fileName(role: string): string {
  return `${encodeURIComponent(role)}.json`;
}

/** Version and expiry of a metadata file, undefined when it cannot be read as what its name says. Verifies nothing. */
function aboutMetadata(bytes: Buffer, name: string): { version: number; expiresMs: number } | undefined {
  try {
    const { signed } = parseMetadata(bytes, name.replace(/\.json$/, ''));
    return { version: signed.version, expiresMs: new Date(signed.expires).getTime() };
  } catch {
    return undefined;
  }
}

function parseMetadata(bytes: Buffer, role: string): { signed: { version: number; expires: string } } {
  const data = JSON.parse(bytes.toString('utf8')) as never;
  if (role === 'root') return Metadata.fromJSON(MetadataKind.Root, data);
  if (role === 'timestamp') return Metadata.fromJSON(MetadataKind.Timestamp, data);
  if (role === 'snapshot') return Metadata.fromJSON(MetadataKind.Snapshot, data);
  return Metadata.fromJSON(MetadataKind.Targets, data);
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
