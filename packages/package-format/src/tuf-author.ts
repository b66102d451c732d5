import type { KeyObject } from 'node:crypto';
import type { DelegatedRole, TufRole } from './tuf-keys.ts';

export interface AuthorOptions {
  /** Holds `metadata/` and `targets/`: what a mirror copies. */
  directory: string;
  now(): number;
}
export class TufAuthor {
  /** Lays down a new repository: keys' public parts suffice for roles that are signed elsewhere. Nothing is published yet. */
  static async create(
    _options: AuthorOptions & { keys: Record<TufRole, KeyObject[]>; rootThreshold?: number },
  ): Promise<TufAuthor> {
    throw new Error('not yet');
  }
  /** Opens a repository on disk. */
  static async open(_options: AuthorOptions): Promise<TufAuthor> {
    throw new Error('not yet');
  }
  /** Copies `file` to targets/ under its consistent name and adds it to `role`; the path must lie below `<role>/`. */
  async addTarget(
    _role: DelegatedRole,
    _target: { path: string; file: string; custom?: Record<string, unknown> },
  ): Promise<void> {}
  /** Takes a target out of its role: nobody may install it any more. The file stays. */
  removeTarget(_role: DelegatedRole, _path: string): void {}
  /** Replaces the keys of a role: rotation (old and new in `keys`), then revocation (the new ones alone). */
  changeKeys(_role: TufRole, _keys: KeyObject[], _threshold?: number): void {}
  /** Gives a role a new version and life without another change. */
  renew(_role: TufRole): void {}
  /**
   * Signs every changed role and publishes. Private keys in `keys`; those that fit no role are ignored. Metadata is written in an order that makes every
   * intermediate state valid. Throws `TUF_KEYS_MISSING`, having written nothing. Gives the names of the files written.
   */
  async publish(_keys: KeyObject[]): Promise<string[]> {
    return [];
  }
  /** A timestamp for bundles, which is not published: with a life of `lifeMs` (default BUNDLE_LIFE_MS); the public one is renewed with the next version. */
  async bundleTimestamp(_keys: KeyObject[], _lifeMs?: number): Promise<{ bytes: Buffer; validUntilMs: number }> {
    throw new Error('not yet');
  }
  /** Renews timestamp and snapshot when less than half of their life is left; whether it did. */
  async refreshOnlineRoles(_keys: KeyObject[]): Promise<boolean> {
    return false;
  }
  /** Names below metadata/ that a client with root `rootVersion` needs: for bundles. */
  async metadataFiles(_rootVersion: number): Promise<string[]> {
    return [];
  }
  /** The file below targets/ of a target, and its length and hash. */
  targetFile(_path: string): { relativePath: string; lengthBytes: number; sha256: string } | undefined {
    return undefined;
  }
}
