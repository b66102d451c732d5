/** `.bascule-update` (package-format 5): a mirror in one file, for one appliance; an uncompressed tar with `bundle.json` first. */
import { open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { instantMs, line, sha256Hex } from '@bascule/protocol/text.ts';
import { consistentPath } from './consistent-path.ts';
import {
  incomplete,
  malformed,
  mirrorFileBytes,
  mirrorFileFault,
  MirrorFile,
  readMirrorFile,
  writeMirrorFile,
  type BundleEntry,
  type MirrorIndex,
} from './mirror-file.ts';
import { printable } from './tar-format.ts';

export type { BundleEntry } from './mirror-file.ts';

const ABOUT_NAME = 'bundle.json';
const PACKAGES_LIMIT = 200;

const bundleAbout = z.object({
  format: z.literal('bascule-bundle/1'),
  applianceId: sha256Hex,
  applianceName: line(200),
  keyNonce: z.string().regex(/^[0-9A-Za-z_-]{16,64}$/),
  createdAtMs: instantMs,
  validUntilMs: instantMs,
  packages: z
    .array(z.object({ target: z.string().min(1).max(300), sha256: sha256Hex, lengthBytes: z.number().int().nonnegative() }))
    .max(PACKAGES_LIMIT),
});

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
  /** Every target inside, packages in the order of installation. For people and for refusals in clear words: what counts is the signed metadata. */
  packages: { target: string; sha256: string; lengthBytes: number }[];
}

/** A bundle as a mirror. It is indexed by reading headers alone, and nothing is unpacked; nothing in it is trusted. */
export class BundleMirror extends MirrorFile {
  readonly about: BundleAbout;

  private constructor(name: string, handle: FileHandle, index: MirrorIndex, about: BundleAbout) {
    super(name, handle, index);
    this.about = about;
  }

  /** Opens a bundle, `name` to people; `close` it. Throws `BUNDLE_MALFORMED` (no bundle, or altered) or `BUNDLE_INCOMPLETE` (cut short, or a package is missing). */
  static async open(file: string, name: string = basename(file)): Promise<BundleMirror> {
    const handle = await open(file, 'r');
    try {
      const { about, index } = await readMirrorFile(handle, ABOUT_NAME);
      const parsed = bundleAbout.safeParse(about);
      if (!parsed.success) throw malformed(`${ABOUT_NAME} cannot be read`);
      for (const { target, sha256, lengthBytes } of parsed.data.packages) {
        const entry = index.get(`targets/${consistentPath(target, sha256)}`);
        if (entry?.bytes !== lengthBytes) throw incomplete(`${printable(target)} is missing`);
      }
      return new BundleMirror(name, handle, index, parsed.data);
    } catch (error) {
      await handle.close();
      throw mirrorFileFault(error);
    }
  }
}

/**
 * Refuses a bundle that is not for this appliance, that no key of it asked for (when `keyNonces` is given), or whose time is over (package-format 5.6). Throws
 * `BUNDLE_OTHER_APPLIANCE`, `BUNDLE_OTHER_KEY` or `BUNDLE_EXPIRED`.
 */
export function checkBundle(about: BundleAbout, appliance: { applianceId: string; nowMs: number; keyNonces?: string[] }): void {
  if (about.applianceId !== appliance.applianceId)
    throw new AppError(
      'invalid',
      'BUNDLE_OTHER_APPLIANCE',
      `This file was made for another appliance (${about.applianceName}). Make a download key on this appliance and redeem it.`,
      { params: { applianceName: about.applianceName } },
    );
  if (appliance.keyNonces && !appliance.keyNonces.includes(about.keyNonce))
    throw new AppError(
      'invalid',
      'BUNDLE_OTHER_KEY',
      'This file answers a download key that this appliance does not know. Make a new download key and redeem it.',
    );
  if (about.validUntilMs <= appliance.nowMs)
    throw new AppError(
      'invalid',
      'BUNDLE_EXPIRED',
      `This file was good until ${new Date(about.validUntilMs).toISOString().slice(0, 16).replace('T', ' ')} UTC. Make a new download key and redeem it; check the time of the appliance too.`,
      { params: { validUntilMs: about.validUntilMs } },
    );
}

/** The length of the bundle that `writeBundle` gives, for `content-length`. */
export function bundleBytes(about: BundleAbout, entries: BundleEntry[]): number {
  return mirrorFileBytes(aboutEntry(about), entries);
}

/**
 * Gives a bundle as a stream, with memory for one piece. Throws a ZodError for an `about` that the format does not allow, `BUNDLE_INCOMPLETE` when a package of
 * `about` is not among `entries` or a file is not as long as was said.
 */
export async function* writeBundle(about: BundleAbout, entries: BundleEntry[], signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  bundleAbout.parse(about);
  const names = new Set(entries.map(({ name }) => name));
  for (const { target, sha256 } of about.packages)
    if (!names.has(`targets/${consistentPath(target, sha256)}`)) throw incomplete(`${target} is missing`);
  yield* writeMirrorFile(aboutEntry(about), entries, signal);
}

function aboutEntry(about: BundleAbout): BundleEntry {
  return { name: ABOUT_NAME, source: Buffer.from(JSON.stringify(about)) };
}
