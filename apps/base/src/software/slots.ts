import { randomBytes } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { syncFolderSync, writeFileDurablySync } from '@bascule/core/durable-file.ts';
import type { homePaths } from '@bascule/core/home.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { unpackArchive } from '@bascule/package-format/archive.ts';
import { compareVersions, satisfies } from '@bascule/package-format/version.ts';
import { packageManifest, type PackageManifest } from '@bascule/protocol/package-manifest.ts';
import type { SiteSoftware } from '../site-host/site-host.ts';
import { Removals } from './removals.ts';
import { syncFolders } from './slots-durable.ts';

/** A Node runtime is about 120 MB in a handful of files; nothing beyond this is unpacked. */
export const RUNTIME_UNPACKED_LIMIT_BYTES = 600 * 1024 * 1024;
export const RUNTIME_FILE_LIMIT = 10_000;
/** The manifest itself may not count in what it says of the package. */
const MANIFEST_ALLOWANCE = { bytes: 1024 * 1024, files: 1 };
const MANIFEST_FILE = 'bascule-package.json';
/** What is being made, or removed. */
const PARTIAL = '.partial';

export type SlotKind = 'base' | 'site';

/** One version of base or site that is on the disk, whole. */
export interface Slot {
  kind: SlotKind;
  /** Its folder's name. */
  folder: string;
  directory: string;
  manifest: PackageManifest;
  /** The folder that holds `bin/node`. */
  runtimeDir: string;
}

export interface StageRequest {
  kind: SlotKind;
  /** As signed. */
  manifest: PackageManifest;
  sha256: string;
  /** Verified files. */
  archive: string;
  runtimeArchive: string | undefined;
  signal: AbortSignal;
  onProgress(bytes: number): void;
}

/** What software/base/trial.json holds (docs/spec/boot.md, 6). boot counts `tries`. */
const trialFile = z.object({ folder: z.string(), maxTries: z.number(), tries: z.number(), deadlineMs: z.number() });
export type BaseTrial = z.infer<typeof trialFile>;

/**
 * Versions on the disk: `software/{base,site}/<version>-<hash>`, the pointers `current` and `previous` beside them, runtimes by hash. A folder with its
 * final name is whole and never changed again; a pointer moves by one atomic rename. All is made durable before it is relied on (I3).
 */
export class Slots {
  readonly #paths: ReturnType<typeof homePaths>;
  readonly #removals: Removals;

  constructor(paths: ReturnType<typeof homePaths>, removals = new Removals()) {
    this.#paths = paths;
    this.#removals = removals;
  }

  /** The name of the folder of a package with this hash. */
  static folderName(version: string, sha256: string): string {
    return `${version}-${sha256.slice(0, 12)}`;
  }

  /** The version in `folder`; undefined when it is not there or not whole. */
  read(kind: SlotKind, folder: string | undefined): Slot | undefined {
    if (folder === undefined || !/^\d+\.\d+\.\d+(-[0-9a-z]+)?$/.test(folder)) return undefined;
    const directory = join(this.#root(kind), folder);
    const manifest = readManifest(kind, directory);
    if (manifest === undefined) return undefined;
    const runtimeDir = join(directory, 'runtime');
    // A checkout that was staged by an earlier version of `npm start` runs with the Node that runs this.
    const ownRuntime = existsSync(join(runtimeDir, 'bin', 'node'));
    return { kind, folder, directory, manifest, runtimeDir: ownRuntime ? runtimeDir : dirname(dirname(process.execPath)) };
  }

  /** Whether `directory` is one of the kind's versions. */
  holds(kind: SlotKind, directory: string): boolean {
    const root = this.#root(kind);
    return existsSync(root) && realpathSync(root) === dirname(directory);
  }

  /** Every whole version of the kind, oldest first. */
  list(kind: SlotKind): Slot[] {
    if (!existsSync(this.#root(kind))) return [];
    return readdirSync(this.#root(kind))
      .map((folder) => this.read(kind, folder))
      .filter((slot) => slot !== undefined)
      .sort((one, other) => compareVersions(one.manifest.version, other.manifest.version));
  }

  /** The version that the pointer names, when it is whole. */
  current(kind: SlotKind): Slot | undefined {
    return this.read(kind, this.#target(kind, 'current'));
  }

  /** The version before it, if it is still there. */
  previous(kind: SlotKind): Slot | undefined {
    const folder = this.#target(kind, 'previous');
    return folder === this.#target(kind, 'current') ? undefined : this.read(kind, folder);
  }

  /** Moves a pointer, durably. The same again changes nothing. */
  point(kind: SlotKind, pointer: 'current' | 'previous', folder: string): void {
    if (this.#target(kind, pointer) !== folder) {
      const link = join(this.#root(kind), pointer);
      const next = `${link}.${randomBytes(4).toString('hex')}.next`;
      symlinkSync(folder, next);
      renameSync(next, link);
    }
    syncFolderSync(this.#root(kind));
  }

  /** Takes a switch back: both pointers name what they named before it. `previous`: null when there was none. */
  putBack(kind: SlotKind, current: string, previous: string | null): void {
    this.point(kind, 'current', current);
    if (this.read(kind, previous ?? undefined) !== undefined) this.point(kind, 'previous', previous as string);
  }

  /**
   * The version of the site to start: that of the pointer; if its folder is damaged, the one before. Undefined when there is none: the appliance runs
   * from a checkout.
   */
  siteSoftware(): SiteSoftware | undefined {
    const slot = this.current('site') ?? this.previous('site');
    return slot && Slots.softwareOf(slot);
  }

  static softwareOf(slot: Slot): SiteSoftware {
    const program = (file: string): string => join(slot.directory, 'apps', 'site', 'src', file);
    return {
      folder: slot.folder,
      version: slot.manifest.version,
      directory: slot.directory,
      node: join(slot.runtimeDir, 'bin', 'node'),
      runtimeDir: slot.runtimeDir,
      programs: { main: program('main.ts'), relay: program('relay-main.ts') },
    };
  }

  /** Whether the runtime with this hash is here. */
  hasRuntime(sha256: string): boolean {
    return existsSync(join(this.#runtime(sha256), 'bin', 'node'));
  }

  /**
   * Makes a version of an archive: unpacked beside its final name, with its links, compared with what was signed, durable, then renamed. Gives the
   * folder's name. One that is there already and not in use is made anew: it may be damaged (a version that was gone back from). Throws `ARCHIVE_*`, `PACKAGE_UNLIKE_MANIFEST`, `PACKAGE_RUNTIME_MISSING`.
   */
  async stage(request: StageRequest): Promise<string> {
    const { kind, manifest, sha256, runtimeArchive, signal } = request;
    if (runtimeArchive !== undefined && manifest.runtime !== null && !this.hasRuntime(manifest.runtime))
      await this.#whole(this.#runtime(manifest.runtime), (partial) =>
        unpackArchive(
          runtimeArchive,
          partial,
          { unpackedBytes: RUNTIME_UNPACKED_LIMIT_BYTES, fileCount: RUNTIME_FILE_LIMIT },
          { signal },
        ),
      );
    const folder = Slots.folderName(manifest.version, sha256);
    const directory = join(this.#root(kind), folder);
    if (this.current(kind)?.folder !== folder) await this.#whole(directory, (partial) => this.#fill(partial, request));
    return folder;
  }

  /** Removes, in the background, what an earlier process left half made or half removed. Before anything is staged. */
  removeLeftovers(): void {
    for (const root of [this.#root('base'), this.#root('site'), this.#paths.runtimes])
      this.#removals.sweep(root, (name) => name.endsWith(PARTIAL) || name.endsWith('.next'));
  }

  /**
   * Keeps `keepVersions` versions of each kind besides the one in use. Never removed: what runs, what the pointers name, and what the other kind's
   * version needs when the one in use does not do. Runtimes that no version uses go too. Gives the removed folders: their names are gone, what they held goes in the background.
   */
  removeOld(keepVersions: number, running: Partial<Record<SlotKind, string>>): string[] {
    const removed: string[] = [];
    for (const kind of ['base', 'site'] as const) {
      const protectedFolders = this.#protected(kind, running[kind]);
      const spare = this.list(kind).filter(({ folder }) => !protectedFolders.has(folder));
      const keptOthers = Math.max(0, keepVersions + 1 - protectedFolders.size);
      for (const { directory, folder } of spare.slice(0, Math.max(0, spare.length - keptOthers))) {
        void this.#removals.remove(directory);
        if (!existsSync(directory)) removed.push(`${kind} ${folder}`);
      }
    }
    this.#removeRuntimes();
    return removed;
  }

  /** Whether `manifest` can run beside what is installed of the other kind; else what is missing, in words. */
  misfit(manifest: PackageManifest): string | undefined {
    const { kind, requires, version } = manifest;
    for (const other of ['base', 'site'] as const) {
      const range = requires[other];
      const installed = this.current(other)?.manifest.version;
      if (other !== kind && range !== undefined && installed !== undefined && !satisfies(installed, range))
        return `${kind} ${version} needs ${other} ${range}; ${other} ${installed} is installed`;
    }
    if (kind === 'licence') return undefined;
    const otherKind = kind === 'base' ? 'site' : 'base';
    const other = this.current(otherKind)?.manifest;
    const needed = other?.requires[kind];
    if (other !== undefined && needed !== undefined && !satisfies(version, needed))
      return `${otherKind} ${other.version}, which is installed, needs ${kind} ${needed}`;
    return undefined;
  }

  /** The version of base on trial, as boot sees it. */
  trial(): BaseTrial | undefined {
    try {
      return trialFile.parse(JSON.parse(readFileSync(this.#paths.baseTrial, 'utf8')));
    } catch {
      // There is none; or it is no sense, which boot reads as none.
      return undefined;
    }
  }

  writeTrial(trial: BaseTrial): void {
    writeFileDurablySync(this.#paths.baseTrial, `${JSON.stringify(trial)}\n`);
  }

  /** Ends the trial, whatever became of it. */
  removeTrial(): void {
    if (!existsSync(this.#paths.baseTrial)) return;
    rmSync(this.#paths.baseTrial, { force: true });
    syncFolderSync(this.#root('base'));
  }

  /** Makes `directory` by `fill`, whole or not at all, and durable. One of that name gives way when the new one is whole. */
  async #whole(directory: string, fill: (partial: string) => Promise<void>): Promise<void> {
    const partial = `${directory}${PARTIAL}`;
    if (existsSync(partial)) await this.#removals.remove(partial);
    mkdirSync(partial, { recursive: true, mode: 0o755 });
    try {
      await fill(partial);
      await syncFolders(partial);
      if (existsSync(directory)) void this.#removals.remove(directory);
      renameSync(partial, directory);
      syncFolderSync(dirname(directory));
    } catch (error) {
      if (existsSync(partial)) await this.#removals.remove(partial);
      throw error;
    }
  }

  async #fill(partial: string, { kind, manifest, archive, signal, onProgress }: StageRequest): Promise<void> {
    const limits = {
      unpackedBytes: manifest.unpackedBytes + MANIFEST_ALLOWANCE.bytes,
      fileCount: manifest.fileCount + MANIFEST_ALLOWANCE.files,
    };
    await unpackArchive(archive, partial, limits, { signal, onProgress });
    const packed = readManifest(kind, partial);
    if (packed === undefined || !isDeepStrictEqual(packed, packageManifest.parse(manifest)))
      throw new AppError(
        'invalid',
        'PACKAGE_UNLIKE_MANIFEST',
        'The package says something else of itself than what was signed; it was not installed. Ask whoever made it for another.',
      );
    this.#makeLinks(partial, manifest);
  }

  /** Links of workspaces, and the one to the runtime: archives hold none. */
  #makeLinks(partial: string, manifest: PackageManifest): void {
    for (const [name, target] of Object.entries(manifest.workspaces)) {
      const link = join(partial, 'node_modules', name);
      mkdirSync(dirname(link), { recursive: true, mode: 0o755 });
      symlinkSync(join('..', '..', target), link);
    }
    if (manifest.runtime === null) return;
    if (!this.hasRuntime(manifest.runtime))
      throw new AppError('invalid', 'PACKAGE_RUNTIME_MISSING', 'The Node runtime of the package is not here; download it again.');
    symlinkSync(join('..', '..', 'runtimes', basename(this.#runtime(manifest.runtime))), join(partial, 'runtime'));
  }

  #protected(kind: SlotKind, running: string | undefined): Set<string> {
    const kept = new Set(
      [running, this.#target(kind, 'current'), this.#target(kind, 'previous')].filter((name) => name !== undefined),
    );
    if (kind === 'base') {
      const onTrial = this.trial()?.folder;
      if (onTrial !== undefined) kept.add(onTrial);
    }
    const otherKind = kind === 'base' ? 'site' : 'base';
    const current = this.current(kind)?.manifest.version;
    for (const other of [this.current(otherKind), this.previous(otherKind)]) {
      const range = other?.manifest.requires[kind];
      if (range === undefined || (current !== undefined && satisfies(current, range))) continue;
      const needed = this.list(kind).findLast(({ manifest }) => satisfies(manifest.version, range));
      if (needed !== undefined) kept.add(needed.folder);
    }
    return kept;
  }

  #removeRuntimes(): void {
    if (!existsSync(this.#paths.runtimes)) return;
    const used = new Set<string>();
    for (const kind of ['base', 'site'] as const)
      for (const { directory } of this.list(kind)) {
        const link = join(directory, 'runtime');
        if (isLink(link)) used.add(basename(readlinkSync(link)));
      }
    // Without a link it is a version that runs with whatever Node runs base: then all stay.
    if (used.size === 0) return;
    for (const name of readdirSync(this.#paths.runtimes)) {
      const directory = join(this.#paths.runtimes, name);
      const isLeftover = name.endsWith(PARTIAL);
      if (!isLeftover && !used.has(name) && !process.execPath.startsWith(`${directory}/`)) void this.#removals.remove(directory);
    }
  }

  #root(kind: SlotKind): string {
    return kind === 'base' ? this.#paths.baseSoftware : this.#paths.siteSoftware;
  }

  #runtime(sha256: string): string {
    return join(this.#paths.runtimes, sha256.slice(0, 16));
  }

  #target(kind: SlotKind, pointer: 'current' | 'previous'): string | undefined {
    const link = join(this.#root(kind), pointer);
    return isLink(link) ? basename(readlinkSync(link)) : undefined;
  }
}

/** What a folder says it is; for a staged checkout that has no manifest, what its package.json says. */
function readManifest(kind: SlotKind, directory: string): PackageManifest | undefined {
  try {
    const file = join(directory, MANIFEST_FILE);
    if (existsSync(file)) {
      const manifest = packageManifest.parse(JSON.parse(readFileSync(file, 'utf8')));
      return manifest.kind === kind ? manifest : undefined;
    }
    const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { version: string };
    return packageManifest.parse({
      ...STAGED_CHECKOUT,
      kind,
      version,
      revision: basename(directory).split('-')[1] ?? 'checkout',
    });
  } catch {
    // Not there or not whole: no version.
    return undefined;
  }
}

const STAGED_CHECKOUT = {
  format: 'bascule-package/1',
  releasedAtMs: 0,
  requires: {},
  installsOver: null,
  upgradesClients: false,
  restartsBox: false,
  emergency: false,
  migrations: [],
  runtime: null,
  unpackedBytes: 0,
  fileCount: 0,
  workspaces: {},
  eula: '',
  notes: { en: '' },
};

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}
