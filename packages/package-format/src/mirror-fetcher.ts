import { BaseFetcher } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Mirror } from './mirror.ts';

/** tuf-js wants a URL; only its last part, the name of the file, is used. */
export const FETCHER_BASE_URL = 'https://mirror.invalid/';

/** Lets tuf-js read metadata through a `Mirror`, and remembers what went wrong there: tuf-js wraps errors so that their kind is lost. */
export class MirrorFetcher extends BaseFetcher {
  readonly #mirror: Mirror;
  readonly #signal: AbortSignal | undefined;
  /** What the mirror itself failed with. */
  failure: unknown;
  /** The file that the mirror should have and does not. */
  missing: string | undefined;
  /** Every root that it gave, by version, unverified: tuf-js keeps the last one alone. */
  readonly roots = new Map<number, Buffer>();

  constructor(mirror: Mirror, signal?: AbortSignal) {
    super();
    this.#mirror = mirror;
    this.#signal = signal;
  }

  override fetch(): never {
    throw new AppError('internal', 'INTERNAL', 'Packages are not fetched by tuf-js.');
  }

  override async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    const name = url.slice(FETCHER_BASE_URL.length);
    const bytes = await this.#read(name, maxLength);
    const root = /^(\d+)\.root\.json$/.exec(name);
    if (bytes !== undefined && root) this.roots.set(Number(root[1]), bytes);
    if (bytes !== undefined) return bytes;
    // Told as HTTP would: that is how tuf-js learns that there is no newer root.
    if (!root) this.missing = name;
    throw new DownloadHTTPError(`${name} is not there`, 404);
  }

  async #read(name: string, maxLength: number): Promise<Buffer | undefined> {
    try {
      this.#signal?.throwIfAborted();
      const bytes = await this.#mirror.metadata(name, maxLength, this.#signal);
      if (bytes !== undefined && bytes.length > maxLength)
        throw new AppError(
          'too-large',
          'MIRROR_TOO_LARGE',
          `${this.#mirror.describe()} gives more than ${maxLength} bytes for ${name}; that was refused.`,
        );
      return bytes;
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}
