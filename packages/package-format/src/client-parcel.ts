/** A client parcel (package-format 9): a mirror in one file with the trusted metadata and one target, as clients fetch it for an upgrade. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { syncFolder } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { byteCount, sha256Hex } from '@bascule/protocol/text.ts';
import { consistentPath } from './consistent-path.ts';
import { diskFault } from './disk-fault.ts';
import { sha256OfFile } from './file-hash.ts';
import {
  incomplete,
  malformed,
  mirrorFileFault,
  MirrorFile,
  readMirrorFile,
  writeMirrorFile,
  type BundleEntry,
} from './mirror-file.ts';
import { readMetadataCopy } from './metadata-copy.ts';
import type { Mirror } from './mirror.ts';
import type { DelegatedRole } from './tuf-keys.ts';

const ABOUT_NAME = 'bundle.json';
/** The roles that say what clients run: what their verifier reads (`UpdateClientOptions.roles`), and all that a parcel has beside every root. */
export const CLIENT_ROLES = ['client', 'runtime'] as const satisfies readonly DelegatedRole[];

const parcelAbout = z.object({
  format: z.literal('bascule-parcel/1'),
  target: z.string().min(1).max(300),
  sha256: sha256Hex,
  lengthBytes: byteCount,
});

export interface ParcelContent {
  /** A copy of trusted metadata as `MetadataCopy` keeps it. */
  metadataDir: string;
  target: string;
  /** The target's file, as the metadata names it; the client verifies that. */
  file: string;
}

/** Writes the parcel as `to`, durably, whole or not at all; the same content gives the same bytes. Throws `DISK_FULL`, `BUNDLE_INCOMPLETE`, `TRUST_MISSING`. */
export async function writeClientParcel(content: ParcelContent, to: string): Promise<{ bytes: number; sha256: string }> {
  const { target, file, metadataDir } = content;
  const lengthBytes = (await stat(file)).size;
  const sha256 = await sha256OfFile(file);
  const metadata = await readMetadataCopy(metadataDir, CLIENT_ROLES);
  if (metadata === undefined)
    throw new AppError('conflict', 'TRUST_MISSING', 'There is no trusted update metadata: clients could not verify anything.');
  const entries: BundleEntry[] = metadata.map(({ name, bytes }) => ({ name: `metadata/${name}`, source: bytes }));
  entries.push({ name: `targets/${consistentPath(target, sha256)}`, source: { file, lengthBytes } });
  const about = parcelAbout.parse({ format: 'bascule-parcel/1', target, sha256, lengthBytes });
  const hash = createHash('sha256');
  let bytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const temporary = `${to}.tmp`;
  try {
    const stream = writeMirrorFile({ name: ABOUT_NAME, source: Buffer.from(JSON.stringify(about)) }, entries);
    await pipeline(stream, measure, createWriteStream(temporary, { flush: true }));
    await rename(temporary, to);
    await syncFolder(dirname(to));
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskFault(error);
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** Opens a parcel as a mirror; `close` it. Nothing in it is trusted. Throws `BUNDLE_MALFORMED` or `BUNDLE_INCOMPLETE`. */
export async function openClientParcel(file: string): Promise<Mirror & { close(): Promise<void> }> {
  const handle = await open(file, 'r');
  try {
    const { about, index } = await readMirrorFile(handle, ABOUT_NAME);
    const parsed = parcelAbout.safeParse(about);
    if (!parsed.success) throw malformed(`${ABOUT_NAME} cannot be read`);
    const { target, sha256, lengthBytes } = parsed.data;
    if (index.get(`targets/${consistentPath(target, sha256)}`)?.bytes !== lengthBytes) throw incomplete('its program is missing');
    return new MirrorFile(basename(file), handle, index);
  } catch (error) {
    await handle.close();
    throw mirrorFileFault(error);
  }
}
