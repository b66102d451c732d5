/** What the trusted metadata on disk says, verified anew each time it is read (package-format 3 and 4.4). */
import { Metadata, MetadataKind, type Root, type Snapshot, type TargetFile, type Targets, type Timestamp } from '@tufjs/models';
import type { Log } from '@bascule/log/log.ts';
import { packageManifest, type PackageManifest } from '@bascule/protocol/package-manifest.ts';
import { sha256Hex } from '@bascule/protocol/text.ts';
import { isSafePath, printable, TAR_ENTRY_LIMIT_BYTES } from './tar-format.ts';
import { DELEGATED_ROLES, type DelegatedRole } from './tuf-keys.ts';
import { compareVersions } from './version.ts';

export interface Release {
  /** `site/bascule-site-0.2.0.tar.zst`. */
  target: string;
  role: DelegatedRole;
  lengthBytes: number;
  sha256: string;
  /** Runtime and client targets have none. */
  manifest: PackageManifest | undefined;
}

/** Where the files of trusted metadata are: the store, or a copy of them. */
export interface TrustedFiles {
  /** The file of a role (`root`, `timestamp`, `client`); undefined when there is none. */
  read(role: string): Promise<Buffer | undefined>;
}

export interface TrustedView {
  root: { bytes: Buffer; version: number; validUntilMs: number };
  /** The earliest expiry of all roles that count, and which role that is; undefined when the files are no whole set. */
  validUntil: { ms: number; role: string } | undefined;
  /** Empty when the files are no whole set. */
  releases: Release[];
}

/**
 * Reads the trusted metadata. Each file must be signed as its delegator says, and have the version that the file before it names: after an update that was cut
 * short, what is of another version than the snapshot says does not count. Of the delegated roles only `wanted` are read. Expired metadata counts; the caller
 * judges. Undefined without a root.
 */
export async function readTrusted(
  store: TrustedFiles,
  log: Log,
  wanted: readonly DelegatedRole[] = DELEGATED_ROLES,
): Promise<TrustedView | undefined> {
  const bytes = await store.read('root');
  if (bytes === undefined) return undefined;
  const root = parseRoot(bytes);
  if (root === undefined) return undefined;
  const view: TrustedView = {
    root: { bytes, version: root.signed.version, validUntilMs: expiry(root) },
    validUntil: undefined,
    releases: [],
  };
  const top = await readTopLevel(store, root);
  if (top === undefined) return view;
  const roles: [string, Metadata<Root | Timestamp | Snapshot | Targets>][] = [['root', root], ...Object.entries(top)];
  const releases: Release[] = [];
  for (const role of delegatedRoles(top.targets).filter((known) => wanted.includes(known))) {
    const version = top.snapshot.signed.meta[`${role}.json`]?.version;
    // What the snapshot does not name at all is of no moment that anybody vouches for.
    const delegate = version && (await readRole(store, role, MetadataKind.Targets, top.targets, version));
    if (!delegate) return view;
    roles.push([role, delegate as Metadata<Targets>]);
    releases.push(...releasesOf(role, delegate as Metadata<Targets>, top.targets, log));
  }
  const ends = roles.map(([role, metadata]) => ({ role, ms: expiry(metadata) }));
  view.validUntil = ends.reduce((first, end) => (end.ms < first.ms ? end : first));
  view.releases = releases.toSorted(
    (a, b) =>
      a.role.localeCompare(b.role) ||
      (a.manifest && b.manifest ? compareVersions(a.manifest.version, b.manifest.version) : 0) ||
      a.target.localeCompare(b.target),
  );
  return view;
}

/** A root that is signed by a threshold of its own keys; undefined when it is not. */
export function parseRoot(bytes: Uint8Array): Metadata<Root> | undefined {
  try {
    const root = Metadata.fromJSON(MetadataKind.Root, JSON.parse(Buffer.from(bytes).toString('utf8')) as never);
    root.verifyDelegate('root', root);
    return root;
  } catch {
    return undefined;
  }
}

/** The roles of ours to which `targets` delegates. */
export function delegatedRoles(targets: Metadata<Targets>): DelegatedRole[] {
  return DELEGATED_ROLES.filter((role) => targets.signed.delegations?.roles?.[role] !== undefined);
}

async function readTopLevel(
  store: TrustedFiles,
  root: Metadata<Root>,
): Promise<{ timestamp: Metadata<Timestamp>; snapshot: Metadata<Snapshot>; targets: Metadata<Targets> } | undefined> {
  const timestamp = (await readRole(store, 'timestamp', MetadataKind.Timestamp, root)) as Metadata<Timestamp> | undefined;
  if (!timestamp) return undefined;
  const snapshotVersion = timestamp.signed.snapshotMeta.version;
  const snapshot = (await readRole(store, 'snapshot', MetadataKind.Snapshot, root, snapshotVersion)) as
    Metadata<Snapshot> | undefined;
  if (!snapshot) return undefined;
  const targetsVersion = snapshot.signed.meta['targets.json']?.version;
  if (targetsVersion === undefined) return undefined;
  const targets = (await readRole(store, 'targets', MetadataKind.Targets, root, targetsVersion)) as Metadata<Targets> | undefined;
  return targets && { timestamp, snapshot, targets };
}

async function readRole(
  store: TrustedFiles,
  role: string,
  kind: MetadataKind,
  delegator: Metadata<Root> | Metadata<Targets>,
  version?: number,
): Promise<Metadata<Timestamp | Snapshot | Targets> | undefined> {
  const bytes = await store.read(role);
  if (bytes === undefined) return undefined;
  try {
    const metadata = Metadata.fromJSON(kind as MetadataKind.Targets, JSON.parse(bytes.toString('utf8')) as never);
    delegator.verifyDelegate(role, metadata);
    return version === undefined || metadata.signed.version === version ? metadata : undefined;
  } catch {
    return undefined;
  }
}

function releasesOf(role: DelegatedRole, metadata: Metadata<Targets>, targets: Metadata<Targets>, log: Log): Release[] {
  const delegation = targets.signed.delegations?.roles?.[role];
  const releases: Release[] = [];
  for (const target of Object.values(metadata.signed.targets)) {
    const reason = delegation?.isDelegatedPath(target.path) ? undefined : 'the role may not sign this path';
    const release = reason ?? releaseOf(role, target);
    if (typeof release === 'string')
      log.warn({ role, target: printable(target.path), reason: release }, 'updates.target-ignored');
    else releases.push(release);
  }
  return releases;
}

/** The release, or why it is none (package-format 3.3 and 3.4). */
function releaseOf(role: DelegatedRole, target: TargetFile): Release | string {
  const sha256 = target.hashes['sha256'];
  if (!isSafePath(target.path) || !target.path.startsWith(`${role}/`)) return 'the path is not allowed';
  if (!sha256Hex.safeParse(sha256).success || sha256 === undefined) return 'no SHA-256';
  if (!Number.isSafeInteger(target.length) || target.length < 0 || target.length > TAR_ENTRY_LIMIT_BYTES)
    return 'the length is not allowed';
  const release = { target: target.path, role, lengthBytes: target.length, sha256 };
  if (role === 'runtime')
    return target.path === `runtime/${sha256}.tar.zst` ? { ...release, manifest: undefined } : 'the name is not its hash';
  if (role === 'client') return { ...release, manifest: undefined };
  const parsed = packageManifest.safeParse(target.custom['bascule']);
  if (!parsed.success)
    return `the manifest is invalid: ${parsed.error.issues[0]?.path.join('.') ?? ''} ${parsed.error.issues[0]?.message ?? ''}`;
  const manifest = parsed.data;
  if (manifest.kind !== role) return `the manifest is of the kind ${manifest.kind}`;
  const name =
    role === 'licence'
      ? new RegExp(`^licence/[a-z0-9-]{1,80}-${manifest.version.replaceAll('.', '\\.')}\\.tar\\.zst$`)
      : undefined;
  const fits = name ? name.test(target.path) : target.path === `${role}/bascule-${role}-${manifest.version}.tar.zst`;
  if (!fits) return 'the name does not fit the version';
  if ((role === 'licence') !== (manifest.licence !== undefined))
    return 'licence terms belong in licence packages, and only there';
  if ((role === 'licence') !== (manifest.runtime === null)) return 'base and site name their runtime, licences none';
  return { ...release, manifest };
}

function expiry(metadata: Metadata<Root | Timestamp | Snapshot | Targets>): number {
  return new Date(metadata.signed.expires).getTime();
}
