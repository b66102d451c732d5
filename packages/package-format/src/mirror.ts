/** Where metadata and packages come from: a server, a folder or a file. Nothing that a mirror gives is trusted (package-format 4.1). */

/** Longest metadata file that is ever asked for; the roles' own limits are lower. */
export const METADATA_LIMIT_BYTES = 5_000_000;

export interface Mirror {
  /**
   * The metadata file `name` (`timestamp.json`, `3.root.json`), undefined when it is not there. Throws `MIRROR_TOO_LARGE` beyond `maxBytes`,
   * `MIRROR_UNREACHABLE` when the mirror does not answer.
   */
  metadata(name: string, maxBytes: number, signal?: AbortSignal): Promise<Buffer | undefined>;
  /** The bytes of the file `targets/<path>` from the offset `from` on. Throws `MIRROR_TARGET_MISSING` or `MIRROR_UNREACHABLE`. */
  target(path: string, from: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** For people: `https://updates.example.net` or a file's name. */
  describe(): string;
}
