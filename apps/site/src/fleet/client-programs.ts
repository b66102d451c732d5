/** The programs that clients run: where they come from, which one a client gets next, and the parcels it fetches them in. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { buildClientArchive, BUILT_PLATFORMS, hasClientProgram } from '@bascule/package-format/client-build.ts';
import { CLIENT_ROLES } from '@bascule/package-format/client-parcel.ts';
import { newestRoot, readMetadataCopy, trustedViewOf } from '@bascule/package-format/metadata-copy.ts';
import type { Release } from '@bascule/package-format/update-client.ts';
import { sha256OfFile } from '@bascule/package-format/file-hash.ts';
import { compareVersions } from '@bascule/package-format/version.ts';
import {
  CLIENT_PLATFORMS,
  clientTarget,
  type ClientBundleAbout,
  type ClientPlatform,
  type ClientProgram,
  type ClientSoftware,
  type UpgradeOrder,
} from '@bascule/protocol/client-program.ts';
import { packageVersion } from '@bascule/protocol/package-manifest.ts';
import { keepSet, readKept, readPackageFacts, readProgramSet, supervisorIn, type ProgramSet } from './client-programs-kept.ts';
import { Parcels } from './parcels.ts';

/** As `upgradeOrder` limits it. */
const ROOT_TEXT_LIMIT = 40_000;

export interface ClientProgramsOptions {
  /** The site's `files`. */
  filesDir: string;
  softwareDir: string;
  version: string;
  /** These three come from base; without them nothing can be signed, and there is no next version. */
  updateMetadataDir?: string;
  runtimeArchivesDir?: string;
  nextDir?: string;
  runtimeDir: string;
  log: Log;
  now?: () => number;
}

export interface ProgramArchive {
  file: string;
  bytes: number;
  sha256: string;
  about: ClientBundleAbout;
}

export type NextProgram = Omit<UpgradeOrder, 'order' | 'healthSeconds'>;
/**
 * `current`: it runs what the site has. `ahead`: it runs something newer. `no-signed-programs`: no trusted metadata names what is to come next.
 * `no-program-for-platform`: there is none for it.
 */
export interface NoProgram {
  problem: 'no-signed-programs' | 'no-program-for-platform' | 'current' | 'ahead';
}

interface Trusted {
  releases: Map<string, Release>;
  root: Buffer;
}

export class ClientPrograms {
  readonly current: { version: string; revision: string };
  readonly #options: ClientProgramsOptions;
  readonly #folder: string;
  readonly #parcels: Parcels;
  readonly #runtime: string | null;
  /** Of the running software, where it lies; undefined in a checkout. */
  readonly #own: ProgramSet | undefined;
  /** Ascending, without those newer than the running one: the site may have gone back. */
  #kept: ProgramSet[] = [];
  #next: ProgramSet | undefined;
  #trusted: Trusted | undefined;
  /** By what is to be fetched: as many as there are kept versions and runtimes, whatever clients say of themselves. */
  #orders = new Map<string, Promise<NextProgram>>();
  readonly #built = new Map<string, Promise<ProgramArchive>>();
  readonly #listeners: (() => void)[] = [];
  #keeping: Promise<void> = Promise.resolve();
  #turn: Promise<void> = Promise.resolve();

  private constructor(
    options: ClientProgramsOptions,
    parts: { folder: string; parcels: Parcels; own: ProgramSet | undefined; revision: string; runtime: string | null },
  ) {
    this.#options = options;
    this.#folder = parts.folder;
    this.#parcels = parts.parcels;
    this.#own = parts.own;
    this.#runtime = parts.runtime;
    this.current = { version: options.version, revision: parts.revision };
  }

  /** Reads what is there; copying this version's programs for later goes on behind. */
  static async open(options: ClientProgramsOptions): Promise<ClientPrograms> {
    const folder = join(options.filesDir, 'clients');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const facts = await readPackageFacts(options.softwareDir);
    const own = await readProgramSet(options.softwareDir).catch((error: unknown) => {
      options.log.error({ err: error }, 'fleet.client-programs-unreadable');
      return undefined;
    });
    const programs = new ClientPrograms(options, {
      folder,
      parcels: await Parcels.open(join(folder, 'parcels'), options.now),
      own,
      revision: facts?.revision ?? 'checkout',
      runtime: facts?.runtime ?? null,
    });
    // Of an earlier checkout.
    await rm(programs.#builtDir, { recursive: true, force: true });
    programs.#kept = await programs.#readKept();
    await programs.#look();
    if (own !== undefined) programs.#keeping = programs.#keep(own);
    return programs;
  }

  /** The versions of a program that are kept here, ascending; the running one last, the one that is only downloaded not among them. */
  versions(program: ClientProgram, platform: ClientPlatform): string[] {
    const kept = this.#kept.filter((set) => archiveOf(set, program, platform) !== undefined).map(({ version }) => version);
    const { version } = this.current;
    const isHere = this.#own ? archiveOf(this.#own, program, platform) !== undefined : this.#canBuild(program, platform);
    return [...kept.filter((known) => known !== version), ...(isHere ? [version] : [])];
  }

  /** The version of a site package that is downloaded and not installed, newer than the running one. */
  next(): string | undefined {
    return this.#next?.version;
  }

  /**
   * The archive of a program: of a version that is kept, the running one, or `next()`. Of a checkout it is built at the first call. Undefined when there is none.
   * Rejects with esbuild's errors and those of the disk.
   */
  async archive(program: ClientProgram, platform: ClientPlatform, version: string): Promise<ProgramArchive | undefined> {
    const found = this.#find(program, platform, version);
    if (found !== undefined || version !== this.current.version || !this.#canBuild(program, platform)) return found;
    const name = `${program}-${platform}`;
    let building = this.#built.get(name);
    if (building === undefined) {
      building = this.#build(program, platform, join(this.#builtDir, `${name}.tar.zst`));
      this.#built.set(name, building);
      building.catch(() => this.#built.delete(name));
    }
    return await building;
  }

  /** The supervisor that belongs to a version (docs/spec/client-supervisor.md), for installers; undefined for one that has none. */
  async supervisor(version: string): Promise<string | undefined> {
    const set = this.#setOf(version);
    if (set !== undefined) return await supervisorIn(set.directory);
    if (version !== this.current.version) return undefined;
    return await supervisorIn(join(this.#options.softwareDir, 'packages', 'client', 'supervisor'));
  }

  /** The archive of a version's Windows packages, for installers; undefined when its site package was built without them, or it is too old to be kept. */
  windowsInstallers(version: string): { file: string; sha256: string } | undefined {
    const set = this.#setOf(version);
    if (set?.windowsInstallers === undefined) return undefined;
    const { name, sha256 } = set.windowsInstallers;
    const file = join(set.directory, name);
    return existsSync(file) ? { file, sha256 } : undefined;
  }

  /** The runtime that the site itself has, for installers: a folder with bin/node, and the SHA-256 of its signed archive when it is known. */
  async runtime(platform: ClientPlatform): Promise<{ directory: string; sha256: string | null } | undefined> {
    const { runtimeDir } = this.#options;
    if (platform !== 'linux-x64' || !existsSync(join(runtimeDir, 'bin', 'node'))) return undefined;
    return { directory: runtimeDir, sha256: this.#runtime };
  }

  /**
   * What a client with `software` gets next: the version after its own, one after the other, so that no upgrade skips what a version between has to do. Only what
   * trusted metadata names with the hash that lies here. `failed` is the newest version that this client could not run: what comes after it goes first, and it is tried
   * again only when there is nothing after it. Parcels are made on the way. Rejects with the errors of the disk.
   */
  async order(software: ClientSoftware, failed?: string): Promise<NextProgram | NoProgram> {
    const set = this.#setAfter(software, failed);
    if ('problem' in set) return set;
    // On Windows it comes with the package alone (docs/decisions/0156).
    const runtime = software.platform === 'linux-x64' ? this.#runtimeFor(set, software.runtime) : undefined;
    const key = `${software.program} ${software.platform} ${set.version} ${runtime?.target ?? ''}`;
    let making = this.#orders.get(key);
    if (making === undefined) {
      making = this.#make(set, software, runtime);
      this.#orders.set(key, making);
      making.catch(() => this.#orders.delete(key));
    }
    return await making;
  }

  /** The file of a parcel that some order named. */
  parcelFile(sha256: string): { file: string; bytes: number } | undefined {
    return this.#parcels.file(sha256);
  }

  /** The newest root that base trusts. */
  async trustedRoot(): Promise<Buffer | undefined> {
    return this.#trusted?.root;
  }

  /** `listener` is called when orders may have changed: the metadata was renewed, or a next version came or went. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Base renewed the metadata, or what lies beside it: reads both again. Never rejects; the log says what failed. */
  async renewed(): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      await this.#look();
      this.#orders.clear();
      await this.#parcels.renew();
    });
    this.#turn = this.#turn.catch((error: unknown) => this.#options.log.error({ err: error }, 'fleet.parcels-not-renewed'));
    await this.#turn;
    for (const listener of this.#listeners) listener();
  }

  /** Resolves when this version's programs are kept (or could not be, which the log says). */
  async settled(): Promise<void> {
    await this.#keeping;
  }

  /** The programs that come next for `software`, or why there are none. */
  #setAfter({ program, platform: reported, version }: ClientSoftware, failed: string | undefined): ProgramSet | NoProgram {
    const platform = CLIENT_PLATFORMS.find((known) => known === reported);
    if (platform === undefined) return { problem: 'no-program-for-platform' };
    // What is no version of ours is older than anything: the client itself never takes an older one.
    const order = (known: string) => (packageVersion.safeParse(version).success ? compareVersions(known, version) : 1);
    if (!packageVersion.safeParse(this.current.version).success) return { problem: 'no-signed-programs' };
    if (order(this.current.version) === 0) return { problem: 'current' };
    if (order(this.current.version) < 0) return { problem: 'ahead' };
    const later = this.#sets().filter((set) => order(set.version) > 0 && archiveOf(set, program, platform) !== undefined);
    const signed = later.filter((set) => this.#isSigned(set, program, platform));
    const next = afterFailed(signed, failed) ?? signed[0];
    if (next !== undefined) return next;
    const isBuiltHere = this.#own === undefined && this.#canBuild(program, platform);
    return { problem: later.length > 0 || isBuiltHere ? 'no-signed-programs' : 'no-program-for-platform' };
  }

  /**
   * The runtime that is to be fetched with `set`, if the client's is another: the one that the version came with, or the one that the site runs with, which runs
   * older programs too. Undefined also when base has neither (a checkout): the trial shows whether the client's own will do.
   */
  #runtimeFor(set: ProgramSet, has: string | null): { target: string; sha256: string; file: string } | undefined {
    const directory = this.#options.runtimeArchivesDir;
    const wanted = [set.runtime, this.#runtime].filter((sha256) => sha256 !== null);
    if (directory === undefined || (has !== null && wanted.includes(has))) return undefined;
    for (const sha256 of wanted) {
      const target = `runtime/${sha256}.tar.zst`;
      const file = join(directory, `${sha256}.tar.zst`);
      if (this.#trusted?.releases.get(target)?.sha256 === sha256 && existsSync(file)) return { target, sha256, file };
    }
    return undefined;
  }

  async #make(
    set: ProgramSet,
    { program, platform }: ClientSoftware,
    runtime: { target: string; sha256: string; file: string } | undefined,
  ): Promise<NextProgram> {
    const metadataDir = this.#options.updateMetadataDir;
    const archive = set.archives.find((known) => known.program === program && known.platform === platform);
    if (metadataDir === undefined || archive === undefined) throw new Error('bug: an order without what it is made of');
    const target = clientTarget(archive.program, archive.platform, set.version);
    const { sha256 } = archive;
    const file = join(set.directory, archive.name);
    await checkFile(file, sha256);
    if (runtime) await checkFile(runtime.file, runtime.sha256);
    const root = this.#trusted?.root.toString('base64') ?? null;
    return {
      version: set.version,
      revision: archive.about.revision,
      target,
      sha256,
      parcel: await this.#parcels.of({ metadataDir, target, sha256, file }),
      runtime: runtime
        ? { target: runtime.target, sha256: runtime.sha256, parcel: await this.#parcels.of({ metadataDir, ...runtime }) }
        : null,
      root: root !== null && root.length <= ROOT_TEXT_LIMIT ? root : null,
    };
  }

  #isSigned(set: ProgramSet, program: ClientProgram, platform: ClientPlatform): boolean {
    const release = this.#trusted?.releases.get(clientTarget(program, platform, set.version));
    return release !== undefined && release.sha256 === archiveOf(set, program, platform)?.sha256;
  }

  /** Kept versions and the running one, ascending. */
  #sets(): ProgramSet[] {
    return [...this.#kept.filter(({ version }) => version !== this.current.version), ...(this.#own ? [this.#own] : [])];
  }

  #setOf(version: string): ProgramSet | undefined {
    return this.#sets().find((set) => set.version === version) ?? (this.#next?.version === version ? this.#next : undefined);
  }

  #find(program: ClientProgram, platform: ClientPlatform, version: string): ProgramArchive | undefined {
    const set = this.#setOf(version);
    const archive = set && archiveOf(set, program, platform);
    if (set === undefined || archive === undefined) return undefined;
    const { name, bytes, sha256, about } = archive;
    return { file: join(set.directory, name), bytes, sha256, about };
  }

  get #builtDir(): string {
    return join(this.#folder, 'built');
  }

  #canBuild(program: ClientProgram, platform: ClientPlatform): boolean {
    const { softwareDir } = this.#options;
    return this.#own === undefined && BUILT_PLATFORMS.includes(platform) && hasClientProgram(softwareDir, program);
  }

  async #build(program: ClientProgram, platform: ClientPlatform, file: string): Promise<ProgramArchive> {
    const { build } = await import('esbuild');
    const { version, revision } = this.current;
    const source = this.#options.softwareDir;
    const built = await buildClientArchive({ source, program, platform, version, revision, build }, file);
    return { file, ...built };
  }

  async #keep(own: ProgramSet): Promise<void> {
    try {
      await keepSet(this.#folder, own);
      this.#kept = await this.#readKept();
    } catch (error) {
      // The running version works from its own folder; only clients that sleep through the next one would miss it.
      this.#options.log.error({ err: error }, 'fleet.client-programs-not-kept');
    }
  }

  async #readKept(): Promise<ProgramSet[]> {
    const { version } = this.current;
    if (!packageVersion.safeParse(version).success) return [];
    return (await readKept(this.#folder)).filter((set) => compareVersions(set.version, version) <= 0);
  }

  /** Reads what base keeps for clients. A fault leaves what was read before. */
  async #look(): Promise<void> {
    const { log, updateMetadataDir } = this.#options;
    try {
      this.#next = await this.#readNext();
      if (updateMetadataDir === undefined) return;
      const files = await readMetadataCopy(updateMetadataDir, CLIENT_ROLES);
      const view = files && (await trustedViewOf(files, log, CLIENT_ROLES));
      const root = files && newestRoot(files)?.bytes;
      this.#trusted = view && root && { root, releases: new Map(view.releases.map((release) => [release.target, release])) };
    } catch (error) {
      log.error({ err: error }, 'fleet.update-metadata-unreadable');
    }
  }

  async #readNext(): Promise<ProgramSet | undefined> {
    const { nextDir } = this.#options;
    if (nextDir === undefined || !packageVersion.safeParse(this.current.version).success) return undefined;
    const names = await readdir(nextDir).catch((): string[] => []);
    const newer = names
      .filter((name) => packageVersion.safeParse(name).success && compareVersions(name, this.current.version) > 0)
      .toSorted(compareVersions);
    const newest = newer.at(-1);
    return newest === undefined ? undefined : await readProgramSet(join(nextDir, newest));
  }
}

/** What comes after the version that failed, or that one again; a client that cannot run a version is not lost to all later ones. */
function afterFailed(sets: readonly ProgramSet[], failed: string | undefined): ProgramSet | undefined {
  if (failed === undefined) return undefined;
  const from = (least: number) => sets.find(({ version }) => compareVersions(version, failed) >= least);
  return from(1) ?? from(0);
}

function archiveOf(set: ProgramSet, program: ClientProgram, platform: ClientPlatform) {
  return set.archives.find((archive) => archive.program === program && archive.platform === platform);
}

/** What lies on the disk is read once before it is offered: a damaged file would fail on every client. */
async function checkFile(file: string, sha256: string): Promise<void> {
  if ((await sha256OfFile(file)) === sha256) return;
  throw new AppError(
    'internal',
    'CLIENT_PROGRAM_DAMAGED',
    `${file} was changed on this disk: clients are not upgraded with it. Check the disk, then install the site's package again.`,
  );
}
