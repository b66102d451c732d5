import type { Log } from '@bascule/log/log.ts';
import type { PackageManifest } from '@bascule/protocol/package-manifest.ts';
import type { Mirror } from './mirror.ts';
export type { Mirror } from './mirror.ts';

export interface Release {
  target: string;
  role: string;
  lengthBytes: number;
  sha256: string;
  /** Runtime and client targets have none. */
  manifest: PackageManifest | undefined;
}
export interface FoundRoot {
  bytes: Buffer;
  sha256: string;
  version: number;
  validUntilMs: number;
  threshold: number;
  keyIds: string[];
}
export class UpdateClient {
  static async open(_options: { directory: string; now(): number; log: Log }): Promise<UpdateClient> {
    throw new Error('not yet');
  }
  async readRoot(_mirror: Mirror, _signal?: AbortSignal): Promise<FoundRoot> {
    throw new Error('not yet');
  }
  async confirmTrust(_rootBytes: Uint8Array): Promise<void> {}
  trust(): { rootSha256: string; rootVersion: number; validUntilMs: number } | undefined {
    return undefined;
  }
  async refresh(_mirror: Mirror, _signal?: AbortSignal): Promise<{ validUntilMs: number }> {
    throw new Error('not yet');
  }
  releases(): Release[] {
    return [];
  }
  find(_target: string): Release | undefined {
    return undefined;
  }
  async obtain(
    _target: string,
    _mirror: Mirror,
    _options: { signal?: AbortSignal; limitBytesPerSecond?: number; onProgress?(done: number, total: number): void } = {},
  ): Promise<string> {
    throw new Error('not yet');
  }
  present(_target: string): { bytes: number; verified: boolean } {
    return { bytes: 0, verified: false };
  }
  pathOf(_target: string): string | undefined {
    return undefined;
  }
  /** Reads the whole file again and compares its hash; throws PACKAGE_CORRUPT and removes it when it differs. */
  async verifyAgain(_target: string, _signal?: AbortSignal): Promise<string> {
    throw new Error('not yet');
  }
  async discard(_target: string): Promise<void> {}
}
