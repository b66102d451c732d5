/** The program folder of an installed client (docs/spec/client-supervisor.md): what runs, what ran before, and what is on trial. */
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileDurablySync, syncFolderSync } from '@bascule/core/durable-file.ts';
import { clientBundleAbout, upgradeFailure, type ClientBundleAbout } from '@bascule/protocol/client-program.ts';
import { id, sha256Hex } from '@bascule/protocol/text.ts';
import { installedFile, runtimeAbout, settingsFile, type InstalledFile, type SettingsFile } from './installed.ts';

const FOLDER_NAME = /^[0-9A-Za-z][0-9A-Za-z._-]{0,99}$/;
const VERSION_LIMIT = 64;

/** `outcome.json`: what became of the last order, until the site has noted it. */
export const outcomeFile = z.object({
  order: id('clientUpgrade'),
  version: z.string().max(VERSION_LIMIT),
  state: z.enum(['done', 'failed', 'rolled-back']),
  failure: upgradeFailure.optional().catch('other'),
  reason: z.string().max(500).optional(),
  atMs: z.number().int().nonnegative(),
});
export type Outcome = z.infer<typeof outcomeFile>;

/** The part of `trial.json` that the program reads; the supervisor alone writes it. */
const trialFile = z.object({ folder: z.string(), order: id('clientUpgrade'), version: z.string().max(VERSION_LIMIT) });

export class ProgramFolder {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** The name of the bundle folder that `pointer` names; undefined when it names none. */
  pointer(pointer: 'current' | 'previous'): string | undefined {
    const name = this.#text(pointer);
    return name !== undefined && FOLDER_NAME.test(name) ? name : undefined;
  }

  bundle(folder: string): string {
    return join(this.directory, 'bundles', folder);
  }

  runtime(folder: string): string {
    return join(this.directory, 'runtimes', folder);
  }

  /** SHA-256 of the archive that a bundle folder was made of, when it is known. */
  archiveOf(folder: string): string | null {
    return sha256Hex.safeParse(this.#text('bundles', folder, 'archive.txt')).data ?? null;
  }

  /** The name in `runtimes/` of a bundle's runtime. */
  runtimeOf(bundleFolder: string): string | undefined {
    const name = this.#text('bundles', bundleFolder, 'runtime.txt');
    return name !== undefined && FOLDER_NAME.test(name) ? name : undefined;
  }

  /** SHA-256 of the signed archive that a runtime was made of, when it is known. */
  runtimeArchiveOf(runtimeFolder: string): string | null {
    return runtimeAbout.safeParse(this.#json('runtimes', runtimeFolder, 'bascule-runtime.json')).data?.sha256 ?? null;
  }

  /** The folder in `runtimes/` made of the archive `sha256`; undefined when there is none. */
  runtimeFor(sha256: string): string | undefined {
    return this.#names('runtimes').find((name) => this.runtimeArchiveOf(name) === sha256);
  }

  outcome(): Outcome | undefined {
    return outcomeFile.safeParse(this.#json('outcome.json')).data;
  }

  storeOutcome(outcome: Outcome): void {
    writeFileDurablySync(join(this.directory, 'outcome.json'), JSON.stringify(outcome));
  }

  forgetOutcome(): void {
    rmSync(join(this.directory, 'outcome.json'), { force: true });
    syncFolderSync(this.directory);
  }

  /** What the supervisor is trying now. */
  trial(): z.infer<typeof trialFile> | undefined {
    return trialFile.safeParse(this.#json('trial.json')).data;
  }

  settings(): SettingsFile {
    return settingsFile.catch(settingsFile.parse({})).parse(this.#json('settings.json') ?? {});
  }

  storeSettings(settings: SettingsFile): void {
    writeFileDurablySync(join(this.directory, 'settings.json'), `${JSON.stringify(settings, null, 2)}\n`);
  }

  /** The root of trust in updates that the installer brought; undefined when the site had none then. */
  trustedRoot(): Buffer | undefined {
    try {
      return readFileSync(join(this.directory, 'update-root.json'));
    } catch {
      return undefined;
    }
  }

  /** What the installer noted; undefined when this was not made by one. */
  installed(): InstalledFile | undefined {
    return installedFile.safeParse(this.#json('installed.json')).data;
  }

  /** Removes bundles and runtimes that neither `current`, `previous` nor a trial needs, and what a cut left half made. */
  removeUnneeded(keep: readonly string[] = []): void {
    const needed = new Set([this.pointer('current'), this.pointer('previous'), this.trial()?.folder, ...keep]);
    for (const name of this.#names('bundles')) {
      if (!needed.has(name)) rmSync(this.bundle(name), { recursive: true, force: true });
    }
    const runtimes = new Set(this.#names('bundles').map((name) => this.runtimeOf(name)));
    for (const name of this.#names('runtimes')) {
      if (!runtimes.has(name)) removeUnlessRunning(this.runtime(name));
    }
  }

  #names(folder: string): string[] {
    const directory = join(this.directory, folder);
    return existsSync(directory) ? readdirSync(directory) : [];
  }

  #text(...names: string[]): string | undefined {
    try {
      return readFileSync(join(this.directory, ...names), 'utf8').trim();
    } catch {
      return undefined;
    }
  }

  #json(...names: string[]): unknown {
    try {
      return JSON.parse(this.#text(...names) ?? '');
    } catch {
      return undefined;
    }
  }
}

/** A runtime that still runs cannot be removed on Windows: it goes the next time. */
function removeUnlessRunning(directory: string): void {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch (error) {
    if (process.platform !== 'win32') throw error;
  }
}

/** `bascule-client.json` of the folder that holds the running `main.mjs`; undefined when it runs from a checkout. Throws when it is damaged. */
export function readBundleAbout(directory: string): ClientBundleAbout | undefined {
  const file = join(directory, 'bascule-client.json');
  return existsSync(file) ? clientBundleAbout.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
}
