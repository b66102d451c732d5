import type { z } from 'zod';
import { newId } from '@bascule/core/ids.ts';
import type { KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { notFound } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { compareVersions } from '@bascule/package-format/version.ts';
import {
  INSTALLER_FORMATS,
  type createInstallerBody,
  type download,
  type Installer,
  type InstallerFormat,
} from '@bascule/protocol/api/installers.ts';
import type { ClientMode, ClientProgram } from '@bascule/protocol/client-program.ts';
import { packageVersion } from '@bascule/protocol/package-manifest.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import type { Jump, TokenRules } from '../jump/jump.ts';
import { fileName, InstallerFiles, type BuildMsi, type FileToSend, type ScriptProgram } from './installer-files.ts';
import type { InstallerPrograms } from './installer-programs.ts';
import { keyUnreadable, noNextVersion } from './installers-errors.ts';
import * as rows from './installers-store.ts';
import { installerKeyPurpose } from './installers-wrapped.ts';
import type { ListedInstaller } from './installers-store.ts';
import { checkoutCommand } from './one-liner.ts';

export { installersMigrations } from './installers-migrations.ts';
export { installersWrappedColumns } from './installers-wrapped.ts';
export { installerRoutes } from './installers-routes.ts';
export type { BuildMsi, FileToSend, MsiInput } from './installer-files.ts';
export type { InstallerPrograms } from './installer-programs.ts';
export type { Piece } from './tar-pieces.ts';
export { windowsPackages } from './windows-packages.ts';

const HOUR_MS = 60 * 60_000;
/** Earlier versions whose installers can be downloaded, to remove what they installed (B99). */
export const EARLIER_DOWNLOADS_MAX = 5;
/** How long a client that comes too early is to wait before it tries again. */
const EARLY_RETRY_MS = 5 * 60_000;

const created = defineAuditEvent('INSTALLER_CREATED', 'Made the installer {name} of {program} {version}', { waitsForPeer: true });
const revoked = defineAuditEvent('INSTALLER_REVOKED', 'Revoked the installer {name}', { waitsForPeer: true });
const keyHandedOut = defineAuditEvent('INSTALLER_KEY_HANDED_OUT', 'Downloaded the installer {name} with its key as {format}');
const keyForgotten = defineAuditEvent(
  'INSTALLER_KEY_FORGOTTEN',
  'Forgot the key of the installer {name}, which is of no use any more',
);

type CreateBody = z.infer<typeof createInstallerBody>;
type Download = z.infer<typeof download>;

export interface InstallersOptions {
  store: Store;
  jump: Jump;
  programs: InstallerPrograms;
  /** Wraps the keys in site.db. */
  keyWrap: KeyWrap;
  filesDir: string;
  siteUrl(): string;
  webKeyPin(): string;
  /** What is installed where nobody chose a mode. */
  defaultMode(): ClientMode;
  /** Whether the certificate of this hash belongs to the site identity in force: keys that pin a former one enrol nobody (docs/decisions/0163). */
  isPinned(identitySha256: string): boolean;
  buildMsi?: BuildMsi;
  hasMsi?(program: ClientProgram, version: string): boolean;
  log: Log;
  now?: () => number;
}

/** The mass deployment wizard (B92-B99, B118-B120): installers with their keys, and the files that everybody may download. */
export class Installers {
  readonly #options: InstallersOptions;
  readonly #now: () => number;
  readonly #files: InstallerFiles;
  /** Of files that were fetched from this program: how large they were. */
  readonly #sizes = new Map<string, number>();

  constructor(options: InstallersOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#files = new InstallerFiles(options);
    options.jump.tokens.judgeBy((tokenId) => this.#rulesOf(tokenId));
  }

  /** Makes what the files have in common, once; it takes some seconds. Throws JUMP_INSTALLER_PREPARING when it failed. */
  async prepare(): Promise<void> {
    await this.#files.prepare();
  }

  /**
   * Makes an installer with a token of its own. The key is in this answer, in the files of an installer that is not generic, and nowhere else in the clear.
   * Throws INSTALLER_NO_NEXT, JUMP_GROUP_UNKNOWN, JUMP_TOKEN_LIMIT, JUMP_INSTALLER_PREPARING.
   */
  async create(context: Context, body: CreateBody): Promise<{ installer: Installer; key: string; installCommand: string }> {
    const { programs, jump, keyWrap } = this.#options;
    const version = body.version === 'next' ? programs.next() : programs.current.version;
    if (version === undefined) throw noNextVersion();
    // First, for a key whose command cannot be shown would be lost.
    await this.#files.prepare();
    this.forgetUselessKeys();
    const { name, uses, groupId, approveEach, program, mode, comment } = body;
    const id = newId('installer', this.#now());
    const event = created({ installerId: id, name, program, version, uses, groupId, approveEach, isGeneric: body.isGeneric });
    const { text } = jump.tokens.create(
      context,
      { name, uses, groupId, approveEach, validForMs: body.validForHours * HOUR_MS },
      {
        event,
        insert: (tx, tokenId, key) =>
          rows.insertInstaller(tx, {
            id,
            tokenId,
            program,
            name,
            mode,
            tags: JSON.stringify(body.tags),
            comment,
            isGeneric: body.isGeneric ? 1 : 0,
            version,
            createdBy: context.actor.name,
            createdAtMs: this.#now(),
            wrappedKey: body.isGeneric ? null : keyWrap.wrap(Buffer.from(key), installerKeyPurpose(id)),
            identitySha256: key.slice(key.lastIndexOf('.') + 1),
          }),
      },
    );
    const installCommand = await this.#files.installCommand({ program, version, mode, token: text });
    return { installer: await this.#toInstaller(this.#row(id)), key: text, installCommand };
  }

  /** The newest installers, with the state that each is in now. */
  async list() {
    const { programs, store, defaultMode } = this.#options;
    const installers = await Promise.all(rows.latestInstallers(store).map((row) => this.#toInstaller(row)));
    return { installers, current: programs.current.version, next: programs.next() ?? null, defaultMode: defaultMode() };
  }

  /** Its key enrols nobody any more; who is enrolled stays. */
  revoke(context: Context, id: string): void {
    const row = this.#row(id);
    this.#options.jump.tokens.revoke(context, row.tokenId, {
      event: revoked({ installerId: id, name: row.name }),
      change: (tx) => rows.forgetKey(tx, id),
    });
  }

  /** A file of an installer, put together now; that a key leaves in it is in the audit first. Throws NOT_FOUND, or its problem as a conflict. */
  async file(context: Context, id: string, format: InstallerFormat): Promise<FileToSend> {
    const row = this.#row(id);
    const state = this.#stateOf(row);
    const isUseful = state === 'valid' || state === 'early';
    const key = isUseful && row.wrappedKey !== null ? this.#keyOf(id, row.wrappedKey) : undefined;
    const { program, version, mode } = row;
    const file = await this.#files.file({ program, version, format, mode, key: key && Buffer.from(key).toString() });
    this.#sizes.set(`${id} ${format}`, file.bytes);
    if (key !== undefined)
      this.#options.store.transact(context, keyHandedOut({ installerId: id, name: row.name, format }), () => undefined);
    return file;
  }

  /** Throws INSTALLER_KEY_UNREADABLE when the vault key that wrapped it is not here. */
  #keyOf(id: string, wrapped: Uint8Array): Uint8Array {
    try {
      return this.#options.keyWrap.unwrap(wrapped, installerKeyPurpose(id));
    } catch (error) {
      throw keyUnreadable(error);
    }
  }

  /** What every user may download (B29): the console of this version, and every program without a key, earlier and next ones too. */
  async downloads(): Promise<{ downloads: Download[] }> {
    const { programs } = this.#options;
    const list: Download[] = [];
    for (const program of ['console', 'jump-client', 'jumpoint'] as const)
      for (const format of ['deb', 'tar.gz', 'msi'] as const) {
        const platform = format === 'msi' ? ('win32-x64' as const) : ('linux-x64' as const);
        const kept = programs.versions(program, platform);
        const next = programs.next();
        const { version: current } = programs.current;
        const earlier = kept.filter((version) => version !== current).slice(-EARLIER_DOWNLOADS_MAX);
        for (const version of [current, ...(next === undefined ? [] : [next]), ...earlier.reverse()]) {
          const name = fileName({ program, version, format });
          const age = version === current ? 'current' : version === next ? 'next' : 'earlier';
          const problem = await this.#files.problemOf({ program, version, format });
          if (problem !== null && age !== 'current') continue;
          list.push({ name, program, version, age, format, platform, bytes: this.#sizes.get(name) ?? null, problem });
        }
      }
    return { downloads: list };
  }

  /** One of `downloads()`, by its name: without a key. Throws NOT_FOUND, or its problem as a conflict. */
  async download(name: string): Promise<FileToSend> {
    const found = (await this.downloads()).downloads.find((each) => each.name === name);
    if (found === undefined) throw notFound();
    const { program, version, format } = found;
    const file = await this.#files.file({ program, version, format, mode: this.#options.defaultMode(), key: undefined });
    this.#sizes.set(name, file.bytes);
    return file;
  }

  /** What endpoints fetch without a login: scripts without a key, archives named by their hash. */
  async publicFile(name: string, takesGzip: boolean) {
    return await this.#files.publicFile(name, takesGzip);
  }

  /** The commands of a plain token: for this version, without anything else that goes with an installer but the site's usual mode. */
  async commands(token: string): Promise<{ installCommand: string; checkoutCommand: string }> {
    await this.#files.prepare();
    const { programs, defaultMode } = this.#options;
    const order = { program: 'jump-client', version: programs.current.version, mode: defaultMode(), token } as const;
    return {
      installCommand: await this.#files.installCommand(order),
      checkoutCommand: checkoutCommand(this.#options.siteUrl(), token),
    };
  }

  /** Installers that work now and would not after an upgrade of the site to `version` (B120). */
  outdated(version: string): { id: string; name: string; program: ScriptProgram; version: string }[] {
    return rows
      .usableInstallers(this.#options.store, this.#now())
      .filter((row) => isOlder(row.version, version) && !this.#isOutdated(row))
      .map(({ id, name, program, version: made }) => ({ id, name, program, version: made }));
  }

  /** Keys that would enrol nobody are not kept. */
  forgetUselessKeys(): void {
    const { store } = this.#options;
    for (const row of rows.keptKeys(store)) {
      const state = this.#stateOf(row);
      if (state === 'valid' || state === 'early') continue;
      store.transact(SYSTEM, keyForgotten({ installerId: row.id, name: row.name }), (tx) => rows.forgetKey(tx, row.id));
    }
  }

  /** What goes with a token at an enrolment; undefined for tokens that no installer has. */
  #rulesOf(tokenId: string): TokenRules | undefined {
    const row = rows.installerByToken(this.#options.store, tokenId);
    if (row === undefined) return undefined;
    const { program, mode, comment, version, name } = row;
    const current = this.#options.programs.current.version;
    const given = { program, mode, comment, tags: JSON.parse(row.tags) as string[] };
    if (isOlder(version, current))
      return {
        ...given,
        refuse: {
          reason: 'outdated',
          message: `The installer '${name}' was made by version ${version} of this appliance, which runs ${current} now: make a new installer.`,
          retryAfterMs: 0,
        },
      };
    if (isOlder(current, version))
      return {
        ...given,
        refuse: {
          reason: 'early',
          message: `The installer '${name}' is for version ${version}, and this appliance still runs ${current}: it is tried again by itself.`,
          retryAfterMs: EARLY_RETRY_MS,
        },
      };
    return given;
  }

  #row(id: string): ListedInstaller {
    const row = rows.installerById(this.#options.store, id);
    if (row === undefined) throw notFound();
    return row;
  }

  #stateOf(row: ListedInstaller): Installer['state'] {
    const current = this.#options.programs.current.version;
    if (row.revoked === 1) return 'revoked';
    if (row.usesLeft <= 0) return 'used-up';
    if (row.validUntilMs <= this.#now()) return 'expired';
    if (this.#isOutdated(row)) return 'outdated';
    return isOlder(current, row.version) ? 'early' : 'valid';
  }

  /** Made by an earlier version of the site (B120), or before its identity was rotated. */
  #isOutdated(row: ListedInstaller): boolean {
    const { programs, isPinned } = this.#options;
    return isOlder(row.version, programs.current.version) || !isPinned(row.identitySha256);
  }

  async #toInstaller(row: ListedInstaller): Promise<Installer> {
    const { id, program, name, tokenId, groupName, mode, version, createdBy, createdAtMs, validUntilMs, uses, usesLeft } = row;
    const files = await Promise.all(
      INSTALLER_FORMATS.map(async (format) => ({
        format,
        name: fileName({ program, version, format }),
        bytes: this.#sizes.get(`${id} ${format}`) ?? null,
        problem: await this.#files.problemOf({ program, version, format }),
      })),
    );
    return {
      id,
      program,
      name,
      tokenId,
      groupName,
      mode,
      tags: JSON.parse(row.tags) as string[],
      isGeneric: row.isGeneric === 1,
      version,
      createdBy,
      createdAtMs,
      validUntilMs,
      uses,
      usesLeft,
      state: this.#stateOf(row),
      files,
    };
  }
}

/** A checkout may have a version that is none of ours: then nothing is older. */
function isOlder(version: string, than: string): boolean {
  return (
    packageVersion.safeParse(version).success && packageVersion.safeParse(than).success && compareVersions(version, than) < 0
  );
}
