export interface ArchiveFile {
  /** Relative, with `/`: `apps/base/src/main.ts`. */
  path: string;
  /** A file on disk, or the bytes themselves. */
  source: string | Uint8Array;
  executable: boolean;
}
export interface ArchiveSummary {
  bytes: number;
  sha256: string;
  unpackedBytes: number;
  fileCount: number;
}
export interface ArchiveLimits {
  unpackedBytes: number;
  fileCount: number;
}
export async function packArchive(_files: ArchiveFile[], _target: string): Promise<ArchiveSummary> {
  throw new Error('not yet');
}
export async function unpackArchive(
  _archive: string,
  _into: string,
  _limits: ArchiveLimits,
  _options: { signal?: AbortSignal; onProgress?(bytes: number): void } = {},
): Promise<void> {
  throw new Error('not yet');
}
