/** What base keeps for the client programs of the site: nothing here is secret, and all of it can be made anew (package-format 9). */
import { existsSync } from 'node:fs';
import { copyFile, link, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncFolder } from '@bascule/core/durable-file.ts';
import type { homePaths } from '@bascule/core/home.ts';
import type { Log } from '@bascule/log/log.ts';
import { unpackArchive } from '@bascule/package-format/archive.ts';
import { renewMetadataCopy } from '@bascule/package-format/metadata-copy.ts';
import { sha256OfFile } from '@bascule/package-format/file-hash.ts';
import type { Release, UpdateClient } from '@bascule/package-format/update-client.ts';

/** Renewed no more often than this, however often something changes: progress is told several times a second. */
export const SUPPLIES_INTERVAL_MS = 2_000;
const CLIENT_FOLDER = 'client/';
const MANIFEST_NAME = 'bascule-package.json';
const PUBLIC_FOLDER_MODE = 0o755;

export interface ClientSuppliesOptions {
  paths: ReturnType<typeof homePaths>['clientSupplies'];
  client: Pick<UpdateClient, 'trustedFiles' | 'find' | 'pathOf' | 'verifyAgain'>;
  /** SHA-256 of the runtimes of all versions that are installed. */
  runtimes(): string[];
  /** The site package that would be installed next, if it is here. */
  nextSite(): string | undefined;
  /** Something is another now than it was. */
  onRenewed(): void;
  log: Log;
}

export class ClientSupplies {
  readonly #options: ClientSuppliesOptions;
  #working: Promise<void> | undefined;
  #isDirty = false;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: ClientSuppliesOptions) {
    this.#options = options;
  }

  /** Something may have changed: looks soon, once for many calls. */
  renewSoon(): void {
    if (this.#isStopped) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.renew();
    }, SUPPLIES_INTERVAL_MS).unref();
  }

  /** Brings everything up to date; a call while it works makes it look once more. Never rejects: the log says what failed, and the next call tries again. */
  async renew(): Promise<void> {
    this.#isDirty = true;
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
    await this.#working;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#working;
  }

  async #work(): Promise<void> {
    while (this.#isDirty && !this.#isStopped) {
      this.#isDirty = false;
      let hasChanged = false;
      for (const part of [() => this.#renewMetadata(), () => this.#renewRuntimes(), () => this.#renewNext()])
        try {
          if (await part()) hasChanged = true;
        } catch (error) {
          this.#options.log.error({ err: error }, 'updates.client-supplies-not-renewed');
        }
      if (hasChanged) this.#options.onRenewed();
    }
  }

  async #renewMetadata(): Promise<boolean> {
    const { client, paths } = this.#options;
    const files = await client.trustedFiles();
    return files !== undefined && (await renewMetadataCopy(paths.updateMetadata, files));
  }

  /** Kept small: the archives of installed versions and of the next one, as hard links to the packages that were downloaded, which are removed one day. */
  async #renewRuntimes(): Promise<boolean> {
    const { client, paths, runtimes } = this.#options;
    const next = this.#next()?.manifest?.runtime;
    const wanted = new Set([...runtimes(), ...(next ? [next] : [])]);
    const folder = paths.runtimeArchives;
    await mkdir(folder, { recursive: true, mode: PUBLIC_FOLDER_MODE });
    let hasChanged = false;
    for (const sha256 of wanted) {
      const place = join(folder, `${sha256}.tar.zst`);
      const file = client.pathOf(`runtime/${sha256}.tar.zst`);
      if (file === undefined || existsSync(place)) continue;
      const made = join(folder, `.${sha256}`);
      await rm(made, { force: true });
      // Another file system, or one without links.
      await link(file, made).catch(() => copyFile(file, made));
      await syncFolder(made);
      await rename(made, place);
      await syncFolder(folder);
      hasChanged = true;
    }
    for (const name of await readdir(folder))
      if (!wanted.has(name.replace(/\.tar\.zst$/, ''))) await rm(join(folder, name), { force: true });
    return hasChanged;
  }

  /** The client programs of the site package that comes next: its installers can be made before it is installed (B94). */
  async #renewNext(): Promise<boolean> {
    const { paths } = this.#options;
    const next = this.#next();
    const version = next?.manifest?.version;
    await mkdir(paths.next, { recursive: true, mode: PUBLIC_FOLDER_MODE });
    let hasChanged = false;
    for (const name of await readdir(paths.next)) {
      if (name === version && (await this.#isOf(join(paths.next, name), next))) continue;
      await rm(join(paths.next, name), { recursive: true, force: true });
      hasChanged = true;
    }
    if (next === undefined || version === undefined || existsSync(join(paths.next, version))) return hasChanged;
    await this.#unpack(next, join(paths.next, version));
    return true;
  }

  #next(): Release | undefined {
    const { client, nextSite } = this.#options;
    const target = nextSite();
    const release = target === undefined ? undefined : client.find(target);
    return release?.manifest !== undefined && client.pathOf(release.target) !== undefined ? release : undefined;
  }

  /** Unpacks `client/` alone, whole or not at all. What the role `client` did not sign is left out: whoever signs packages cannot put programs on clients. */
  async #unpack(release: Release, place: string): Promise<void> {
    const { client, log } = this.#options;
    const archive = await client.verifyAgain(release.target);
    const partial = join(dirname(place), `.${basename(place)}.partial`);
    await rm(partial, { recursive: true, force: true });
    try {
      const { unpackedBytes = 0, fileCount = 0 } = release.manifest ?? {};
      await unpackArchive(
        archive,
        partial,
        { unpackedBytes, fileCount },
        { only: (path) => path.startsWith(CLIENT_FOLDER) || path === MANIFEST_NAME },
      );
      const folder = join(partial, CLIENT_FOLDER);
      for (const name of existsSync(folder) ? await readdir(folder) : []) {
        if (!name.endsWith('.tar.zst')) continue;
        if (client.find(`${CLIENT_FOLDER}${name}`)?.sha256 === (await sha256OfFile(join(folder, name)))) continue;
        log.warn({ package: release.target, name }, 'updates.client-program-unsigned');
        await rm(join(folder, name));
      }
      await syncFolder(partial);
      await rename(partial, place);
      await syncFolder(dirname(place));
    } catch (error) {
      await rm(partial, { recursive: true, force: true });
      throw error;
    }
  }

  /** Whether the folder came from this very release. */
  async #isOf(directory: string, release: Release | undefined): Promise<boolean> {
    try {
      const { revision } = JSON.parse(await readFile(join(directory, MANIFEST_NAME), 'utf8')) as { revision?: unknown };
      return revision === release?.manifest?.revision;
    } catch {
      return false;
    }
  }
}
