import { AppError } from '@bascule/errors/app-error.ts';
import { BundleMirror } from '@bascule/package-format/bundle-file.ts';
import type { FoundRoot, Mirror, UpdateClient } from '@bascule/package-format/update-client.ts';

/** A root is a few kilobytes. */
export const ROOT_WAIT_MS = 30_000;

/**
 * The root that the update server gives or, when there is no server or it has another than `rootSha256`, an uploaded file. Throws `UPDATES_NO_ROOT` when
 * there is no source, `UPDATES_ROOT_DIFFERS` when no source has the wanted one, and what the server's mirror throws when nothing else is there.
 */
export async function findRoot(options: {
  client: Pick<UpdateClient, 'readRoot'>;
  mirror: Mirror | undefined;
  /** Uploads, whole or not. */
  files: string[];
  rootSha256: string | undefined;
  signal: AbortSignal;
}): Promise<{ root: FoundRoot; source: string }> {
  const { client, mirror, files, rootSha256 } = options;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(ROOT_WAIT_MS)]);
  let failure: unknown;
  let differs = false;
  const read = async (from: Mirror): Promise<{ root: FoundRoot; source: string } | undefined> => {
    const root = await client.readRoot(from, signal);
    if (rootSha256 === undefined || root.sha256 === rootSha256) return { root, source: from.describe() };
    differs = true;
    return undefined;
  };
  if (mirror !== undefined) {
    const found = await read(mirror).catch((error: unknown) => void (failure = error));
    if (found !== undefined) return found;
  }
  for (const file of files.toReversed()) {
    const found = await withBundle(file, read);
    if (found !== undefined) return found;
  }
  if (differs)
    throw new AppError(
      'conflict',
      'UPDATES_ROOT_DIFFERS',
      'The update root is another one than you compared: fetch it again, and compare it with what the publisher says.',
    );
  if (failure !== undefined) throw failure;
  throw new AppError(
    'conflict',
    'UPDATES_NO_ROOT',
    'There is nothing to take an update root from: set an update server under Updates > Settings, or upload a .bascule-update file.',
  );
}

/** A file that is not whole, or no bundle, has no root; that is said when it is finished. */
async function withBundle<T>(file: string, work: (bundle: BundleMirror) => Promise<T | undefined>): Promise<T | undefined> {
  let bundle: BundleMirror | undefined;
  try {
    bundle = await BundleMirror.open(file);
    return await work(bundle);
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  } finally {
    await bundle?.close();
  }
}
