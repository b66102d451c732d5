import type { Mirror } from './mirror.ts';
export interface BundleAbout {
  format: 'bascule-bundle/1';
  /** SHA-256 of the appliance's public key (SPKI). */
  applianceId: string;
  applianceName: string;
  /** Of the download key that it answers. */
  keyNonce: string;
  createdAtMs: number;
  /** The earliest expiry of the metadata inside. */
  validUntilMs: number;
  /** Targets in the order of installation. */
  packages: string[];
}
export class BundleMirror implements Mirror {
  readonly about: BundleAbout;
  private constructor(about: BundleAbout) {
    this.about = about;
  }
  static async open(_file: string): Promise<BundleMirror> {
    throw new Error('not yet');
  }
  async metadata(_name: string, _maxBytes: number, _signal?: AbortSignal): Promise<Buffer | undefined> {
    return undefined;
  }
  async *target(_path: string, _from: number, _signal?: AbortSignal): AsyncIterable<Uint8Array> {}
  describe(): string {
    return 'bundle';
  }
  async close(): Promise<void> {}
}
export interface BundleEntry {
  /** `metadata/3.root.json` or `targets/site/<sha256>.bascule-site-0.2.0.tar.zst`. */
  name: string;
  source: { file: string; bytes: number } | Uint8Array;
}
/** The bundle as a stream of bytes, for an HTTP answer or a file. `bundleBytes` says its length beforehand. */
export async function* writeBundle(
  _about: BundleAbout,
  _entries: BundleEntry[],
  _signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {}
export function bundleBytes(_about: BundleAbout, _entries: BundleEntry[]): number {
  return 0;
}
/** One clear sentence when the bundle is not for this appliance. */
export function checkBundle(
  _about: BundleAbout,
  _appliance: { applianceId: string; nowMs: number; keyNonces?: string[] },
): void {}
