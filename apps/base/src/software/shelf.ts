import type { Mirror, Release } from '@bascule/package-format/update-client.ts';
import { AppError } from '@bascule/errors/app-error.ts';

/** What the engine gets packages from. */
export interface Shelf {
  /** The release of that target, from metadata that is verified; expired metadata included. */
  find(target: string): Release | undefined;
  /**
   * A verified file of the target: the one that is on the disk (downloaded or imported), else it is fetched from the update server, going on where an
   * earlier attempt ended. Throws `UPDATES_NO_SOURCE` when there is neither, and what `UpdateClient.obtain` throws.
   */
  obtain(target: string, options: { signal: AbortSignal; onProgress(done: number, total: number): void }): Promise<string>;
}

/** The part of `UpdateClient` that a shelf needs. */
export interface PackageStore {
  find(target: string): Release | undefined;
  pathOf(target: string): string | undefined;
  obtain(
    target: string,
    mirror: Mirror,
    options: { signal?: AbortSignal; limitBytesPerSecond?: number; onProgress?(done: number, total: number): void },
  ): Promise<string>;
}

export interface PackageShelfOptions {
  client: PackageStore;
  /** The update server, when one is set. */
  mirror(): Mirror | undefined;
  /** 0 for no limit. */
  limitBytesPerSecond(): number;
}

/** The shelf of the appliance: what is on the disk first, then the update server. What was imported from a file is on the disk already. */
export class PackageShelf implements Shelf {
  readonly #options: PackageShelfOptions;

  constructor(options: PackageShelfOptions) {
    this.#options = options;
  }

  find(target: string): Release | undefined {
    return this.#options.client.find(target);
  }

  async obtain(
    target: string,
    { signal, onProgress }: { signal: AbortSignal; onProgress(done: number, total: number): void },
  ): Promise<string> {
    const { client, mirror, limitBytesPerSecond } = this.#options;
    const here = client.pathOf(target);
    if (here !== undefined) {
      const total = client.find(target)?.lengthBytes ?? 0;
      onProgress(total, total);
      return here;
    }
    const server = mirror();
    if (server === undefined) throw noSource(target);
    const limit = limitBytesPerSecond();
    return await client.obtain(target, server, { signal, onProgress, ...(limit > 0 && { limitBytesPerSecond: limit }) });
  }
}

function noSource(target: string): AppError {
  return new AppError(
    'conflict',
    'UPDATES_NO_SOURCE',
    `${target} is not on this appliance, and no update server is set. Set one under Updates > Settings, or bring the package by hand with an appliance download key.`,
    { params: { target } },
  );
}
