import type { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import {
  BOX_SETTINGS_FORMAT,
  BOX_SETTINGS_MAX_BYTES,
  boxSettingsFile,
  type BoxSettingsFile,
  type SettingsLine,
  type SettingsPreview,
} from '@bascule/protocol/api/box-settings.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Context, type Store, type Tx } from '@bascule/store/store.ts';
import { boxSecretsGiven } from '../audit/audit.ts';
import type { Changes, UndoPart } from '../changes/changes.ts';

export { settingsLine } from './settings-lines.ts';

const imported = defineAuditEvent<{ appliance: string; parts: string[] }>(
  'BOX_SETTINGS_IMPORTED',
  'Imported settings of the appliance {appliance}: {parts}',
);

/** One part of the box's own settings: network, security, mail ... Its rows are in box.db. */
export interface BoxSettingsPart<T> {
  /** For ever: it is in exported files. */
  name: string;
  /** Of an exported value, which may come from an older or newer version: what was added later is optional. */
  schema: z.ZodType<T>;
  /** `withSecrets`: with passwords and private keys, in clear; only for a file that is encrypted. */
  read(withSecrets: boolean): T | Promise<T>;
  /** What would change here if `value` were imported, in words; changes nothing. No line: nothing would. */
  describe(value: T): SettingsLine[] | Promise<SettingsLine[]>;
  /** Writes the rows, but for lines that are left out by their `key`; inside the one transaction of the whole import. A throw (`AppError`) leaves everything as it was, of all parts. */
  write(tx: Tx, value: T, isLeftOut: (key: string) => boolean): void;
  /** After it is written: makes the machine what the rows say. Does not throw for what this machine cannot do; a throw undoes the import, when it can be undone. */
  applied(): void | Promise<void>;
  /** Of a part that can be put back (`Changes.register`): what it is now; applied by its kind instead of `applied`. */
  before?(): UndoPart[];
  /** Whether importing `value` might cut off whoever does it. Only of a part with `before`. */
  mightCut?(value: T, isLeftOut: (key: string) => boolean): boolean | Promise<boolean>;
}

export interface BoxSettingsOptions {
  changes: Changes;
  applianceName: string;
  baseVersion: string;
  now?: () => number;
}

/** What is done with a file: which parts, and which lines of them are left out. */
export interface ImportChoice {
  /** Absent: all that are inside. */
  parts?: string[];
  /** Keys of lines, by part. */
  leftOut?: Record<string, string[]>;
  /** Whoever imports was told that it might cut them off. */
  acceptCut?: boolean;
}

interface Registered {
  read(withSecrets: boolean): unknown;
  describe(value: unknown): SettingsLine[] | Promise<SettingsLine[]>;
  write(tx: Tx, value: unknown, isLeftOut: (key: string) => boolean): void;
  applied(): void | Promise<void>;
  before(): UndoPart[];
  mightCut(value: unknown, isLeftOut: (key: string) => boolean): boolean | Promise<boolean>;
  fits(value: unknown): boolean;
}

/** What the site asks for, for a backup: JSON. That secrets leave the box is in its own audit before they do. */
export async function settingsForSite(options: { settings: BoxSettings; store: Store; withSecrets: boolean }): Promise<string> {
  const { settings, store, withSecrets } = options;
  const text = JSON.stringify(await settings.read({ withSecrets }));
  if (withSecrets) store.transact(SYSTEM, boxSecretsGiven({}), () => undefined);
  return text;
}

/** The box's own settings as one document: exported into backups, and imported from them, part by part, all or nothing. */
export class BoxSettings {
  readonly #options: BoxSettingsOptions;
  readonly #parts = new Map<string, Registered>();

  constructor(options: BoxSettingsOptions) {
    this.#options = options;
  }

  /** Parts are read and written in the order in which they registered. */
  register<T>(part: BoxSettingsPart<T>): void {
    if (this.#parts.has(part.name)) throw new Error(`bug: two parts named ${part.name}`);
    const { schema } = part;
    this.#parts.set(part.name, {
      read: (withSecrets) => part.read(withSecrets),
      describe: (value) => part.describe(schema.parse(value)),
      write: (tx, value, isLeftOut) => part.write(tx, schema.parse(value), isLeftOut),
      applied: () => part.applied(),
      before: () => part.before?.() ?? [],
      mightCut: (value, isLeftOut) => part.mightCut?.(schema.parse(value), isLeftOut) ?? false,
      fits: (value) => schema.safeParse(value).success,
    });
  }

  /** The settings of every part, to be written into a backup as JSON. */
  async read({ withSecrets }: { withSecrets: boolean }): Promise<BoxSettingsFile> {
    const parts: Record<string, unknown> = {};
    for (const [name, part] of this.#parts) parts[name] = await part.read(withSecrets);
    const { applianceName, baseVersion, now = Date.now } = this.#options;
    return { format: BOX_SETTINGS_FORMAT, appliance: applianceName, baseVersion, madeAtMs: now(), withSecrets, parts };
  }

  /** What the file's text holds. Throws `BOX_SETTINGS_UNREADABLE`. */
  parse(text: string): BoxSettingsFile {
    try {
      if (Buffer.byteLength(text) > BOX_SETTINGS_MAX_BYTES) throw new Error('too long');
      return boxSettingsFile.parse(JSON.parse(text));
    } catch (error) {
      throw new AppError('invalid', 'BOX_SETTINGS_UNREADABLE', 'These are no settings of an appliance that can be read here.', {
        cause: error,
      });
    }
  }

  /** What importing `file` would change, in words; changes nothing. */
  async describe(file: BoxSettingsFile): Promise<SettingsPreview> {
    const { appliance, baseVersion, madeAtMs, withSecrets } = file;
    const known = this.#known(file);
    const parts = await Promise.all(
      known.map(async ({ name, part, value }) => {
        const lines = await part.describe(value);
        const unfit = new Set(lines.filter((line) => line.unfit !== null).map(({ key }) => key));
        return { name, lines, mightCut: lines.length > 0 && (await part.mightCut(value, (key) => unfit.has(key))) };
      }),
    );
    const unknown = Object.keys(file.parts).filter((name) => !known.some((one) => one.name === name));
    return { appliance, baseVersion, madeAtMs, withSecrets, parts, unknown };
  }

  /**
   * Imports `file`, all or nothing: what does not fit this machine and what `choice` leaves out stays as it is. Through `Changes` when it might cut off whoever does it. Throws
   * `CHANGE_MIGHT_CUT`, `CHANGE_PENDING`, and what a part refuses.
   */
  async apply(file: BoxSettingsFile, context: Context, choice: ImportChoice = {}): Promise<void> {
    const chosen = this.#known(file).filter(({ name }) => choice.parts?.includes(name) ?? true);
    const work = await Promise.all(
      chosen.map(async ({ name, part, value }) => {
        const unfit = (await part.describe(value)).filter((line) => line.unfit !== null).map(({ key }) => key);
        const leftOut = new Set([...unfit, ...(choice.leftOut?.[name] ?? [])]);
        const isLeftOut = (key: string): boolean => leftOut.has(key);
        return { name, part, value, isLeftOut, mightCut: await part.mightCut(value, isLeftOut) };
      }),
    );
    await this.#options.changes.make(
      context,
      {
        event: imported({ appliance: file.appliance, parts: work.map(({ name }) => name) }),
        write(tx) {
          for (const { part, value, isLeftOut } of work) part.write(tx, value, isLeftOut);
        },
        parts: work.flatMap(({ part }) => part.before()),
        about: file.appliance,
      },
      { mightCut: work.some(({ mightCut }) => mightCut), accepted: choice.acceptCut === true },
    );
    for (const { part } of work) if (part.before().length === 0) await part.applied();
  }

  #known(file: BoxSettingsFile): { name: string; part: Registered; value: unknown }[] {
    return [...this.#parts].flatMap(([name, part]) => {
      const value = file.parts[name];
      return value !== undefined && part.fits(value) ? [{ name, part, value }] : [];
    });
  }
}
