/** What building leaves beside each archive, `<archive>.json`, so that publishing knows what it is. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { packageManifest } from '@bascule/protocol/package-manifest.ts';
import { byteCount, sha256Hex } from '@bascule/protocol/text.ts';
import { ReleaseError } from './release-error.ts';

const target = z.string().regex(/^(base|site|licence|client|runtime)\/[a-z0-9.-]+\.tar\.zst$/);
const built = z.object({
  /** The TUF target, such as `site/bascule-site-0.2.0.tar.zst`; its first part is the role that signs it. */
  target,
  bytes: byteCount,
  sha256: sha256Hex,
  /** Of base, site and licence packages. */
  manifest: packageManifest.nullable(),
  /** Of a site package: the client programs in it, which are published with it. */
  companions: z.array(target).max(100).default([]),
});
export type Built = z.infer<typeof built>;

/** Where `target` lies below `out`: the folders are those of the repository. */
export function archiveOf(out: string, target: string): string {
  return join(out, target);
}

/** Writes the note of an archive below `out`. */
export async function noteBuilt(out: string, what: Built): Promise<Built> {
  await writeFile(`${archiveOf(out, what.target)}.json`, `${JSON.stringify(what, undefined, 2)}\n`, { mode: 0o644 });
  return what;
}

/** Reads the note of an archive and compares the archive with it. Throws ReleaseError when they do not fit. */
export async function readBuilt(archive: string): Promise<Built> {
  const text = await readFile(`${archive}.json`, 'utf8').catch(() => undefined);
  if (text === undefined)
    throw new ReleaseError(
      `${archive}.json is missing: only what 'npm run release -- base|site|licence' built can be published.`,
    );
  const note = built.safeParse(JSON.parse(text));
  if (!note.success) throw new ReleaseError(`${archive}.json is not as the release tool writes it: build the package again.`);
  if ((await sha256Of(archive)) !== note.data.sha256)
    throw new ReleaseError(`${archive} is not what ${archive}.json says (another SHA-256): build the package again.`);
  return note.data;
}

/** SHA-256 of a file, hex. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
