import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { clientSettings, type ClientSettings } from '@bascule/protocol/client-program.ts';
import type { ProgramFolder } from './program-folder.ts';

const DEFAULTS: ClientSettings = { mode: 'active', checkInHours: 24, toleratesDates: false };

/** What the site set on this client: in settings.json of the program folder, without one in the client's home. */
export class KeptSettings {
  readonly #folder: ProgramFolder | undefined;
  readonly #file: string;
  #now: ClientSettings;

  constructor(folder: ProgramFolder | undefined, stateDirectory: string) {
    this.#folder = folder;
    this.#file = join(stateDirectory, 'settings.json');
    this.#now = folder === undefined ? readFrom(this.#file) : clientSettings.parse(folder.settings());
  }

  get now(): ClientSettings {
    return this.#now;
  }

  /** Durable when it returns; whether anything changed. Throws what the disk says, and holds for this run even then. */
  change(settings: ClientSettings): boolean {
    const { mode, checkInHours, toleratesDates, addresses } = settings;
    const changed = { mode, checkInHours, toleratesDates, ...(addresses !== undefined && { addresses }) };
    if (isDeepStrictEqual(changed, this.#now)) return false;
    this.#now = changed;
    if (this.#folder === undefined) writeFileDurablySync(this.#file, `${JSON.stringify(this.#now)}\n`);
    else this.#folder.storeSettings({ ...this.#folder.settings(), addresses, ...this.#now });
    return true;
  }
}

function readFrom(file: string): ClientSettings {
  try {
    return clientSettings.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return DEFAULTS;
  }
}
