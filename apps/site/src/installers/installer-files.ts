/** The files of installers: put together when they are fetched, of parts that are the same for everybody and a few bytes that are not. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Log } from '@bascule/log/log.ts';
import type { ClientMode, ClientProgram } from '@bascule/protocol/client-program.ts';
import type { InstallerFormat } from '@bascule/protocol/api/installers.ts';
import { debInstallerPieces } from './deb-installer.ts';
import { folderArchivePieces } from './folder-archive.ts';
import type { InstallerPrograms } from './installer-programs.ts';
import { cannotBeMade, NO_MSI, NO_PROGRAMS, notReadyYet, OUTDATED_SCRIPT, type FileProblem } from './installers-errors.ts';
import { launcherName } from './launcher.ts';
import { installCommand, installerScript } from './one-liner.ts';
import { programEntries, runtimeEntries, unpackBundle, type ProgramParts } from './program-files.ts';
import { storeRuntime, type StoredRuntime } from './stored-runtime.ts';
import { sizeOf, streamOf, tarGzPieces, tarPieces, type Piece, type TarEntry } from './tar-pieces.ts';

/** Unpacked bundles that are kept in memory: three programs in this version, the next and a few earlier ones. */
const PARTS_KEPT_MAX = 12;
/** Archives that endpoints may fetch: of the runtime, and of two programs in this version and the next, with those of a moment ago. */
const PUBLIC_FILES_MAX = 12;
const SCRIPT_PROGRAMS = ['jump-client', 'jumpoint'] as const;
export type ScriptProgram = (typeof SCRIPT_PROGRAMS)[number];

/** What one file is to hold. */
export interface FileOrder {
  program: ClientProgram;
  version: string;
  format: InstallerFormat;
  mode: ClientMode;
  /** The installer key; undefined in files that hold none. */
  key: string | undefined;
}

export interface MsiInput {
  program: ClientProgram;
  version: string;
  siteUrl: string;
  mode: ClientMode;
  key: string | undefined;
  /** The version of the appliance that the client waits for; null: it connects at once. */
  waitsForVersion: string | null;
  /** The root of trust in updates, when this site has one. */
  trustedRoot: Uint8Array | undefined;
}
/** Makes a Windows package, or says why it cannot be made. */
export type BuildMsi = (input: MsiInput) => Promise<{ pieces: Piece[] } | { problem: FileProblem }>;

export interface InstallerFilesOptions {
  programs: InstallerPrograms;
  /** The site's `files`. */
  filesDir: string;
  siteUrl(): string;
  webKeyPin(): string;
  /** Absent: no Windows packages are made here. */
  buildMsi?: BuildMsi;
  /** Whether `buildMsi` can make one of that program in that version. */
  hasMsi?(program: ClientProgram, version: string): boolean;
  log: Log;
}

/** A file that is ready to be sent. */
export interface FileToSend {
  name: string;
  bytes: number;
  type: string;
  stream(): Readable;
}

interface PublicFile {
  plain: Piece[];
  gzip: Piece[];
}

const TYPES: Record<InstallerFormat, string> = {
  sh: 'text/x-shellscript; charset=utf-8',
  deb: 'application/vnd.debian.binary-package',
  'tar.gz': 'application/gzip',
  msi: 'application/x-msi',
};

export class InstallerFiles {
  readonly #options: InstallerFilesOptions;
  #preparing: Promise<void> | undefined;
  #runtime: StoredRuntime | undefined;
  #runtimeTar: { sha256: string; bytes: number } | undefined;
  readonly #parts = new Map<string, Promise<ProgramParts | undefined>>();
  readonly #public = new Map<string, PublicFile>();
  /** Scripts without a key, by their names; made by `prepare`. */
  readonly #programTars = new Map<string, { sha256: string; bytes: number }>();

  constructor(options: InstallerFilesOptions) {
    this.#options = options;
    options.programs.onChange(() => this.#parts.clear());
  }

  /** Makes what the one-liners of this version need; called again after a failure, it tries again. Throws JUMP_INSTALLER_PREPARING. */
  async prepare(): Promise<void> {
    this.#preparing ??= this.#prepare().catch((error: unknown) => {
      this.#preparing = undefined;
      this.#options.log.error({ err: error }, 'installer-not-prepared');
      throw notReadyYet();
    });
    await this.#preparing;
  }

  /** Why such a file cannot be made here; null when it can. */
  async problemOf({ program, version, format }: Pick<FileOrder, 'program' | 'version' | 'format'>): Promise<FileProblem | null> {
    const { programs, hasMsi } = this.#options;
    if (format === 'msi') return hasMsi?.(program, version) ? null : NO_MSI;
    if (format === 'sh' && version !== programs.current.version && version !== programs.next()) return OUTDATED_SCRIPT;
    const known = programs.versions(program, 'linux-x64').includes(version) || programs.next() === version;
    return known ? null : NO_PROGRAMS;
  }

  /** Puts a file together. Throws the file's problem as a conflict. */
  async file(order: FileOrder): Promise<FileToSend> {
    const problem = await this.problemOf(order);
    if (problem !== null) throw cannotBeMade(problem);
    await this.prepare();
    const pieces = await this.#pieces(order);
    return { name: fileName(order), bytes: sizeOf(pieces), type: TYPES[order.format], stream: () => streamOf(pieces) };
  }

  /** The one-liner that carries `token`, for a program in this version or the next. */
  async installCommand(order: { program: ScriptProgram; version: string; mode: ClientMode; token: string }): Promise<string> {
    // What `publicFile` answers: the mode comes in the command's environment.
    const { program, version } = order;
    const waitsForVersion = this.#waitsFor(version);
    const script = await this.#script({ program, version, mode: 'active', key: undefined, waitsForVersion });
    const { siteUrl, webKeyPin } = this.#options;
    return installCommand({
      siteUrl: siteUrl(),
      webKeyPin: webKeyPin(),
      scriptName: this.#scriptName(order.program, order.version),
      scriptSha256: createHash('sha256').update(script).digest('hex'),
      token: order.token,
      mode: order.mode,
    });
  }

  /** What anybody may fetch: a script without a key, or an archive named by its hash. Throws JUMP_INSTALLER_PREPARING; undefined when there is none. */
  async publicFile(name: string, takesGzip: boolean): Promise<(FileToSend & { isGzip: boolean }) | undefined> {
    const script = /^(jump-client|jumpoint)(?:-(\d+\.\d+\.\d+))?\.sh$/.exec(name);
    if (script !== null) {
      const program = script[1] as ScriptProgram;
      const version = script[2] ?? this.#options.programs.current.version;
      if ((await this.problemOf({ program, version, format: 'sh' })) !== null) return undefined;
      // A command for the next version says which: it stays good when that version is the current one.
      const waitsForVersion = script[2] ?? null;
      const text = Buffer.from(await this.#script({ program, version, mode: 'active', key: undefined, waitsForVersion }));
      return { name, bytes: text.length, type: TYPES.sh, stream: () => streamOf([text]), isGzip: false };
    }
    // After a restart of the site, commands that were shown before still work.
    if (this.#runtime === undefined) await this.prepare();
    const known = this.#public.get(name);
    if (known === undefined) return undefined;
    const pieces = takesGzip ? known.gzip : known.plain;
    return { name, bytes: sizeOf(pieces), type: 'application/x-tar', stream: () => streamOf(pieces), isGzip: takesGzip };
  }

  async #prepare(): Promise<void> {
    const { programs, filesDir } = this.#options;
    const runtime = await programs.runtime('linux-x64');
    if (runtime === undefined) throw cannotBeMade(NO_PROGRAMS);
    await removeFormerFiles(filesDir);
    const stored = await storeRuntime(join(filesDir, 'installers'), runtime);
    this.#runtimeTar = await this.#publish('runtime', runtimeEntries(stored, { withLibraries: true }));
    this.#runtime = stored;
    for (const program of SCRIPT_PROGRAMS)
      if ((await this.problemOf({ program, version: programs.current.version, format: 'sh' })) === null)
        await this.#script({
          program,
          version: programs.current.version,
          mode: 'active',
          key: undefined,
          waitsForVersion: null,
        });
  }

  async #pieces(order: FileOrder): Promise<Piece[]> {
    const { program, version, format, mode, key } = order;
    const waitsForVersion = this.#waitsFor(version);
    const values = { siteUrl: this.#options.siteUrl(), mode, key, waitsForVersion };
    if (format === 'msi') return await this.#msi({ program, version, ...values });
    if (format === 'sh' && program !== 'console')
      return [Buffer.from(await this.#script({ program, version, mode, key, waitsForVersion }))];
    const parts = await this.#partsOf(program, version);
    if (parts === undefined || format === 'sh') throw cannotBeMade(NO_PROGRAMS);
    return format === 'deb' ? await debInstallerPieces(parts, values) : await folderArchivePieces(parts, values);
  }

  async #msi(input: Omit<MsiInput, 'trustedRoot'>): Promise<Piece[]> {
    const { buildMsi, programs } = this.#options;
    const made = await buildMsi?.({ ...input, trustedRoot: await programs.trustedRoot() });
    if (made === undefined) throw cannotBeMade(NO_MSI);
    if ('problem' in made) throw cannotBeMade(made.problem);
    return made.pieces;
  }

  async #script(order: {
    program: ScriptProgram;
    version: string;
    mode: ClientMode;
    key: string | undefined;
    waitsForVersion: string | null;
  }): Promise<string> {
    const { program, version, mode, key, waitsForVersion } = order;
    if (this.#runtime === undefined) await this.prepare();
    const [parts, runtime, runtimeTar] = [await this.#partsOf(program, version), this.#runtime, this.#runtimeTar];
    if (parts === undefined || runtime === undefined || runtimeTar === undefined) throw cannotBeMade(NO_PROGRAMS);
    const tarKey = `${program} ${parts.bundle.folder} ${parts.trustedRoot?.length ?? 0}`;
    let programTar = this.#programTars.get(tarKey);
    if (programTar === undefined || !this.#public.has(`program-${programTar.sha256}.tar`)) {
      programTar = await this.#publish('program', programEntries(parts));
      this.#programTars.set(tarKey, programTar);
    }
    return installerScript({
      program,
      siteUrl: this.#options.siteUrl(),
      webKeyPin: this.#options.webKeyPin(),
      bundleFolder: parts.bundle.folder,
      runtimeFolder: runtime.folder,
      runtime: runtimeTar,
      programFiles: programTar,
      waitsForVersion,
      mode,
      ...(key !== undefined && { key }),
    });
  }

  #scriptName(program: ScriptProgram, version: string): string {
    return version === this.#options.programs.current.version ? `${program}.sh` : `${program}-${version}.sh`;
  }

  /** Clients that are installed ahead wait until the appliance runs their version (B97). */
  #waitsFor(version: string): string | null {
    return version === this.#options.programs.next() ? version : null;
  }

  /** Makes an archive fetchable by its hash. */
  async #publish(kind: 'runtime' | 'program', entries: readonly TarEntry[]): Promise<{ sha256: string; bytes: number }> {
    const plain = tarPieces(entries);
    const hash = createHash('sha256');
    for (const piece of plain) {
      if (piece instanceof Uint8Array) hash.update(piece);
      else for await (const chunk of createReadStream(piece.file)) hash.update(chunk as Buffer);
    }
    const sha256 = hash.digest('hex');
    this.#public.set(`${kind}-${sha256}.tar`, { plain, gzip: await tarGzPieces(entries) });
    const oldest = Array.from(this.#public.keys()).find((name) => name.startsWith('program-'));
    if (this.#public.size > PUBLIC_FILES_MAX && oldest !== undefined) this.#public.delete(oldest);
    return { sha256, bytes: sizeOf(plain) };
  }

  #partsOf(program: ClientProgram, version: string): Promise<ProgramParts | undefined> {
    const key = `${program} ${version}`;
    const known = this.#parts.get(key);
    if (known !== undefined) return known;
    const reading = this.#readParts(program, version);
    this.#parts.set(key, reading);
    reading.catch(() => this.#parts.delete(key));
    const oldest = this.#parts.keys().next().value;
    if (this.#parts.size > PARTS_KEPT_MAX && oldest !== undefined) this.#parts.delete(oldest);
    return reading;
  }

  async #readParts(program: ClientProgram, version: string): Promise<ProgramParts | undefined> {
    const { programs } = this.#options;
    const archive = await programs.archive(program, 'linux-x64', version);
    const supervisor = await programs.supervisor(version);
    const runtime = this.#runtime;
    if (archive === undefined || supervisor === undefined || runtime === undefined) return undefined;
    const [bundle, text, trustedRoot] = await Promise.all([unpackBundle(archive), readFile(supervisor), programs.trustedRoot()]);
    return { program, bundle, runtime, supervisor: text, trustedRoot };
  }
}

/** The name under which a file is saved. */
export function fileName({ program, version, format }: Pick<FileOrder, 'program' | 'version' | 'format'>): string {
  const name = launcherName(program);
  if (format === 'deb') return `${name}_${version}_amd64.deb`;
  return format === 'sh' ? `install-${name}.sh` : `${name}-${version}.${format}`;
}

/** Version 0.1.0 kept whole archives: a version that goes back makes its own again. */
async function removeFormerFiles(filesDir: string): Promise<void> {
  for (const name of await readdir(filesDir).catch(() => []))
    if (/^((runtime|client)-[0-9a-f]{64}\.tar(\.gz)?|installer-runtime\.json)$/.test(name))
      await rm(join(filesDir, name), { force: true });
}
