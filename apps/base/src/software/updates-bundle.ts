import { randomBytes } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import { BundleMirror, checkBundle, type BundleAbout } from '@bascule/package-format/bundle-file.ts';
import { compareVersions } from '@bascule/package-format/version.ts';
import { runtimeTarget, type InstalledPackage } from '@bascule/package-format/planner.ts';
import type { Release, UpdateClient } from '@bascule/package-format/update-client.ts';
import type { SoftwareHere } from './updates-offers.ts';

/** Reading and checking a whole bundle of 8 GB from a slow disk takes minutes; beyond this something is wrong. */
export const BUNDLE_IMPORT_LIMIT_MS = 30 * 60_000;
const NONCE_BYTES = 18;

/** What an imported file brought. */
export interface Imported {
  about: BundleAbout;
  /** Packages, in the order of installation. */
  targets: string[];
  validUntilMs: number;
}

export interface BundleContext {
  client: UpdateClient;
  /** What people call the file. */
  name: string;
  applianceId: string;
  installed(): SoftwareHere;
  nowMs(): number;
  /** Whether the download key with this number was made here. */
  isOwnKey(nonce: string): boolean;
}

/** A number for one download key. */
export function newNonce(): string {
  return randomBytes(NONCE_BYTES).toString('base64url');
}

/**
 * Verifies the `.bascule-update` file `file` and takes its packages; nothing is unpacked. Throws one clear sentence: `BUNDLE_*` of the package format,
 * `UPDATE_FILE_UNREADABLE`, `UPDATE_FILE_INCOMPLETE`, `UPDATE_FILE_ALTERED`, `UPDATE_FILE_OLDER`, `UPDATES_NOT_TRUSTED`, and what `UpdateClient.refresh` and `obtain` throw.
 */
export async function importBundle(file: string, context: BundleContext, stop: AbortSignal): Promise<Imported> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(BUNDLE_IMPORT_LIMIT_MS)]);
  const bundle = await BundleMirror.open(file, context.name).catch((error: unknown) => {
    throw error instanceof AppError ? error : unreadable(file, error);
  });
  try {
    const { keyNonce } = bundle.about;
    const keyNonces = context.isOwnKey(keyNonce) ? [keyNonce] : [];
    checkBundle(bundle.about, { applianceId: context.applianceId, nowMs: context.nowMs(), keyNonces });
    if (context.client.trust() === undefined) throw await notTrusted(context.client, bundle);
    const { validUntilMs } = await context.client.refresh(bundle, signal);
    const releases = bundle.about.packages.map(({ target }) => release(target, context.client));
    checkNewer(releases, context.installed());
    await takeAll(neededTargets(releases, context), bundle, context, signal);
    const packages = releases.filter(({ manifest }) => manifest !== undefined);
    return { about: bundle.about, targets: packages.map(({ target }) => target), validUntilMs };
  } finally {
    await bundle.close();
  }
}

function unreadable(file: string, error: unknown): AppError {
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  return new AppError(
    'invalid',
    'UPDATE_FILE_UNREADABLE',
    `${file} cannot be read (${code}). Put it where the user of base can read it, such as /tmp, or upload it in the browser.`,
    { cause: error },
  );
}

/** Names the root that the file brings, so that it can be compared and confirmed. */
async function notTrusted(client: UpdateClient, bundle: BundleMirror): Promise<AppError> {
  const { sha256 } = await client.readRoot(bundle);
  return new AppError(
    'conflict',
    'UPDATES_NOT_TRUSTED',
    `No update root is confirmed on this appliance yet. That of this file has SHA-256 ${sha256}: compare it with what the publisher says, confirm it under Updates > Settings and finish the upload again; on the command line, import it with --trust and this SHA-256.`,
    { params: { rootSha256: sha256 } },
  );
}

function release(target: string, client: UpdateClient): Release {
  const found = client.find(target);
  if (found !== undefined) return found;
  throw new AppError(
    'invalid',
    'UPDATE_FILE_ALTERED',
    `The file names ${target}, but nobody signed that: it was altered. Bring it again.`,
    {
      params: { target },
    },
  );
}

function checkNewer(releases: Release[], { packages }: SoftwareHere): void {
  const hasNewer = releases.some(({ manifest }) => manifest !== undefined && isNewer(manifest, packages));
  if (releases.length > 0 && !hasNewer)
    throw new AppError(
      'invalid',
      'UPDATE_FILE_OLDER',
      'Everything in this file is installed already, or is older than what is installed. Make a new download key to get what is missing now.',
    );
}

/** Whether nothing of the kind, or something older, is installed. */
export function isNewer({ kind, version, licence }: NonNullable<Release['manifest']>, packages: InstalledPackage[]): boolean {
  const installed = packages.find(
    (candidate) => candidate.kind === kind && (kind !== 'licence' || candidate.holder === licence?.holder),
  );
  return installed === undefined || compareVersions(version, installed.version) > 0;
}

/** The packages, and the runtimes that are neither unpacked nor downloaded here. */
function neededTargets(releases: Release[], { client, installed }: BundleContext): string[] {
  const { runtimes } = installed();
  const runtimeTargets = releases.flatMap(({ manifest }) =>
    manifest?.runtime == null || runtimes.includes(manifest.runtime) ? [] : [runtimeTarget(manifest.runtime)],
  );
  return [...new Set([...runtimeTargets, ...releases.map(({ target }) => target)])].filter(
    (target) => client.pathOf(target) === undefined,
  );
}

/** All of them or, when one is no good, none: what a refused file brought does not stay. */
async function takeAll(targets: string[], bundle: BundleMirror, context: BundleContext, signal: AbortSignal): Promise<void> {
  const taken: string[] = [];
  try {
    for (const target of targets) {
      await take(target, bundle, context, signal);
      taken.push(target);
    }
  } catch (error) {
    for (const target of taken) await context.client.discard(target);
    throw error;
  }
}

async function take(target: string, bundle: BundleMirror, { client, name }: BundleContext, signal: AbortSignal): Promise<void> {
  try {
    await client.obtain(target, bundle, { signal });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === 'PACKAGE_HASH')
      throw new AppError(
        'invalid',
        'PACKAGE_HASH',
        `${name}: A package in this file was damaged or altered. Fetch the file again.`,
        { params: { name, target }, cause: error },
      );
    if (error.code !== 'MIRROR_TARGET_MISSING') throw error;
    throw new AppError(
      'invalid',
      'UPDATE_FILE_INCOMPLETE',
      `The file is incomplete: ${target} is missing. Bring it again, or redeem a new download key.`,
      {
        params: { target },
        cause: error,
      },
    );
  }
}
