/** One update of trusted metadata from a mirror: tuf-js verifies in a scratch copy, and what it verified is taken over durably (package-format 4). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Updater, type TargetFile } from 'tuf-js';
import { AppError } from '@bascule/errors/app-error.ts';
import { diskFault } from './disk-fault.ts';
import { MirrorFetcher, FETCHER_BASE_URL } from './mirror-fetcher.ts';
import type { MetadataStore } from './metadata-store.ts';
import type { Mirror } from './mirror.ts';
import { parseRoot } from './trusted-view.ts';

export interface TufSession {
  /** Brings the four top-level roles up to date. */
  refresh(): Promise<void>;
  /** Looks `path` up through the delegations, loading the roles on the way; undefined when nobody signed it. */
  lookUp(path: string): Promise<TargetFile | undefined>;
  /** Whether the root, as verified so far, names targets with their hash. Repositories of ours do (package-format 3.5). */
  hasConsistentSnapshots(): Promise<boolean>;
}

/**
 * Runs `work` with a session. Whatever it verified is taken over afterwards, also when `work` fails: that is what protects from rollback. Throws
 * `METADATA_EXPIRED`, `METADATA_OLDER`, `METADATA_REFUSED`, `MIRROR_INCOMPLETE`, `TRUST_MISSING` or what the mirror throws.
 */
export async function withTufSession<T>(
  store: MetadataStore,
  options: { mirror: Mirror; now(): number; signal?: AbortSignal; ignoresExpiry?: boolean },
  work: (session: TufSession) => Promise<T>,
): Promise<T> {
  if ((await store.read('root')) === undefined)
    throw new AppError(
      'conflict',
      'TRUST_MISSING',
      'No update server is trusted yet. Confirm the fingerprint of its root first.',
    );
  const fetcher = new MirrorFetcher(options.mirror, options.signal);
  const scratch = await store.makeScratch();
  try {
    const updater = new Updater({ metadataDir: scratch, metadataBaseUrl: FETCHER_BASE_URL, fetcher });
    // tuf-js has no setting for it: it compares every date with this one.
    if (options.ignoresExpiry) updater['trustedSet']['referenceTime'] = new Date(0);
    return await work({
      refresh: () => updater.refresh(),
      lookUp: (path) => updater.getTargetInfo(path),
      hasConsistentSnapshots: async () =>
        parseRoot(await readFile(join(scratch, 'root.json')))?.signed.consistentSnapshot ?? false,
    });
  } catch (error) {
    throw tufFault(error, fetcher, options.mirror);
  } finally {
    await store.takeOver(scratch, options.ignoresExpiry ? 0 : options.now(), fetcher.roots);
    await store.removeScratch(scratch);
  }
}

export function expiredMetadata(mirror: string, role: string): AppError {
  return new AppError(
    'unavailable',
    'METADATA_EXPIRED',
    `What ${mirror} says about updates (${role}) has expired. Either it is out of date, or someone holds newer updates back, or the time of the appliance is wrong. Check the time, then ask the update server's keeper.`,
    { params: { role } },
  );
}

/** tuf-js tells its faults apart by text alone once they went through its wrappers. */
function tufFault(error: unknown, fetcher: MirrorFetcher, mirror: Mirror): unknown {
  if (fetcher.failure !== undefined) return fetcher.failure;
  if (error instanceof AppError) return error;
  const from = mirror.describe();
  if (fetcher.missing !== undefined)
    return new AppError(
      'unavailable',
      'MIRROR_INCOMPLETE',
      `${from} is no whole update repository: ${fetcher.missing} is missing.`,
      { cause: error },
    );
  const words = error instanceof Error ? error.message : String(error);
  const persisting = /Failed to persist.*?\b(E[A-Z]{2,})\b/s.exec(words);
  if (persisting) return diskFault(Object.assign(new Error(words), { code: persisting[1] }));
  const expired = /(\w+)(?:\.json)? is expired/.exec(words);
  if (expired) return expiredMetadata(from, expired[1] ?? 'metadata');
  if (
    /less than current version|does not match snapshot version|doesn't match timestamp|Missing file|Expected version/.test(words)
  )
    return new AppError(
      'invalid',
      'METADATA_OLDER',
      `${from} offers older or mixed metadata than this appliance has seen. It was refused; nothing changed. Use another mirror, or a newer file.`,
      { cause: error },
    );
  return new AppError(
    'invalid',
    'METADATA_REFUSED',
    `What ${from} offers is not signed by the keys that this appliance trusts, or was altered. It was refused; nothing changed.`,
    { cause: error },
  );
}
