/** What installers are made of: programs and runtimes, as the fleet domain keeps them. */
import type { ClientBundleAbout, ClientPlatform, ClientProgram } from '@bascule/protocol/client-program.ts';

export interface ProgramArchive {
  /** The bundle's `.tar.zst`. */
  file: string;
  bytes: number;
  sha256: string;
  about: ClientBundleAbout;
}

/** The part of fleet's `ClientPrograms` that installers need. */
export interface InstallerPrograms {
  readonly current: { version: string; revision: string };
  /** Versions that are kept here, ascending, the current one last, without `next`. */
  versions(program: ClientProgram, platform: ClientPlatform): string[];
  /** The version of a site package that is here and not installed. */
  next(): string | undefined;
  archive(program: ClientProgram, platform: ClientPlatform, version: string): Promise<ProgramArchive | undefined>;
  /** The supervisor of that version; undefined for one that has none. */
  supervisor(version: string): Promise<string | undefined>;
  /** A folder with `bin/node`; `sha256` of the signed archive that it was made of. */
  runtime(platform: ClientPlatform): Promise<{ directory: string; sha256: string | null } | undefined>;
  /** The root of trust in updates, for clients that have none yet. */
  trustedRoot(): Promise<Buffer | undefined>;
  onChange(listener: () => void): void;
}
