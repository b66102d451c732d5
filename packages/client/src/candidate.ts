/** Makes a bundle folder of an order: verified by TUF, unpacked, run once. Nothing unsigned is ever run (I7; package-format 9). */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { syncFolder, writeNewFile } from '@bascule/core/durable-file.ts';
import type { Log } from '@bascule/log/log.ts';
import { unpackArchive } from '@bascule/package-format/archive.ts';
import { CLIENT_ROLES, openClientParcel } from '@bascule/package-format/client-parcel.ts';
import { UpdateClient } from '@bascule/package-format/update-client.ts';
import { compareVersions } from '@bascule/package-format/version.ts';
import {
  clientBundleAbout,
  clientTarget,
  type ClientBundleAbout,
  type Parcel,
  type UpgradeOrder,
} from '@bascule/protocol/client-program.ts';
import { needSpace } from './parcel-download.ts';
import type { ProgramFolder } from './program-folder.ts';
import { UpgradeError } from './upgrade-error.ts';

/** A bundle has three files and some megabytes, a runtime one large file and a few small ones. */
const BUNDLE_LIMITS = { unpackedBytes: 64 * 1024 * 1024, fileCount: 50 };
const RUNTIME_LIMITS = { unpackedBytes: 512 * 1024 * 1024, fileCount: 200 };
/** How much larger than its archive an unpacked bundle or runtime is, at most, for the question whether it will fit. */
const UNPACKED_FACTOR = 8;
const SELF_CHECK_LIMIT_MS = 60_000;
const SELF_CHECK_OUTPUT_MAX_BYTES = 64 * 1024;
const WORDS_MAX_CHARACTERS = 300;

export interface CandidateContext {
  folder: ProgramFolder;
  /** The program that runs now. */
  running: ClientBundleAbout;
  /** `state/updates`: the trusted metadata of this client. */
  updatesDirectory: string;
  /** Gives the file of a parcel; rejects as `downloadParcel` does. */
  fetch(parcel: Parcel): Promise<string>;
  onVerifying(): void;
  signal: AbortSignal;
  log: Log;
}

/** Gives the name of the bundle folder that is ready to be tried. Throws UpgradeError, or the reason of `signal`. */
export async function prepareCandidate(order: UpgradeOrder, context: CandidateContext): Promise<string> {
  const { folder, running } = context;
  refuseStrange(order, context);
  const name = `${order.version}-${order.sha256.slice(0, 12)}`;
  const runtimeBytes = order.runtime?.parcel.bytes ?? 0;
  await needSpace(folder.directory, (order.parcel.bytes + runtimeBytes) * UNPACKED_FACTOR);
  const runtime = order.runtime === null ? folder.runtimeOf(folder.pointer('current') ?? '') : await makeRuntime(order, context);
  if (runtime === undefined)
    throw new UpgradeError('other', 'It is not known which runtime this client runs on: install it again.');
  if (folder.archiveOf(name) !== order.sha256 || folder.runtimeOf(name) !== runtime) {
    const { parcel, target, sha256 } = order;
    const into = join(folder.directory, 'bundles', `.${name}`);
    await makeFolder(into, folder.bundle(name), async () => {
      await unpackTarget({ parcel, target, sha256, root: order.root, limits: BUNDLE_LIMITS, into }, context);
      await writeNewFile(join(into, 'runtime.txt'), `${runtime}\n`, 0o644);
      await writeNewFile(join(into, 'archive.txt'), `${sha256}\n`, 0o644);
      checkAbout(into, order, running.program);
    });
  }
  await selfCheck(folder, name, order, context.signal);
  return name;
}

/** What no site of ours orders: another program, another platform, a version before the one that runs (a rollback by whoever holds the site). */
function refuseStrange(order: UpgradeOrder, { running }: CandidateContext): void {
  const { target, version } = order;
  if (target !== clientTarget(running.program, running.platform, version))
    throw new UpgradeError('refused', `${target} is not for this program (${running.program}, ${running.platform}, ${version}).`);
  if (compareVersions(version, running.version) < 0)
    throw new UpgradeError('refused', `Version ${version} is older than ${running.version}, which runs here: that is refused.`);
}

interface TargetToUnpack {
  parcel: Parcel;
  target: string;
  sha256: string;
  root: string | null;
  limits: { unpackedBytes: number; fileCount: number };
  into: string;
}

/** Fetches, verifies and unpacks: only what the metadata that this client trusts names, with that hash. */
async function unpackTarget(wanted: TargetToUnpack, context: CandidateContext): Promise<void> {
  const { signal, log } = context;
  const file = await context.fetch(wanted.parcel);
  context.onVerifying();
  const updates = await UpdateClient.open({
    directory: context.updatesDirectory,
    now: Date.now,
    log,
    roles: CLIENT_ROLES,
    ignoresExpiry: true,
  });
  if (updates.trust() === undefined) {
    const root = context.folder.trustedRoot() ?? (wanted.root === null ? undefined : Buffer.from(wanted.root, 'base64'));
    if (root !== undefined) await updates.confirmTrust(root);
  }
  const mirror = await openClientParcel(file);
  try {
    await updates.refresh(mirror, signal);
    const release = updates.find(wanted.target);
    if (release === undefined || !(CLIENT_ROLES as readonly string[]).includes(release.role) || release.sha256 !== wanted.sha256)
      throw new UpgradeError('signature', `No signed metadata names ${wanted.target} with the hash that was ordered.`);
    const archive = await updates.obtain(wanted.target, mirror, { signal });
    try {
      await unpackArchive(archive, wanted.into, wanted.limits, { signal });
    } finally {
      await updates.discard(wanted.target);
    }
  } finally {
    await mirror.close();
  }
  await rm(file, { force: true });
}

/** Gives the name of the folder in `runtimes/`. */
async function makeRuntime(order: UpgradeOrder, context: CandidateContext): Promise<string> {
  const { folder } = context;
  const { parcel, target, sha256 } = order.runtime!;
  const present = folder.runtimeFor(sha256);
  if (present !== undefined) return present;
  if (target !== `runtime/${sha256}.tar.zst`) throw new UpgradeError('refused', `${target} is no runtime.`);
  const name = sha256.slice(0, 16);
  const into = join(folder.directory, 'runtimes', `.${name}`);
  await makeFolder(into, folder.runtime(name), async () => {
    await unpackTarget({ parcel, target, sha256, root: order.root, limits: RUNTIME_LIMITS, into }, context);
    await rm(join(into, 'bascule-runtime.json'), { force: true });
    await writeNewFile(join(into, 'bascule-runtime.json'), JSON.stringify({ sha256 }), 0o644);
  });
  return name;
}

/** Fills `temporary` by `fill` and gives it its name when it is whole and on disk. */
async function makeFolder(temporary: string, folder: string, fill: () => Promise<void>): Promise<void> {
  try {
    await rm(temporary, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
    await fill();
    await syncFolder(temporary);
    await rename(temporary, folder);
    await syncFolder(join(folder, '..'));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

function checkAbout(directory: string, order: UpgradeOrder, program: string): void {
  const about = readAbout(readFileSync(join(directory, 'bascule-client.json'), 'utf8'));
  if (about?.program === program && about.version === order.version) return;
  throw new UpgradeError('signature', `What was ordered as ${program} ${order.version} is another program.`);
}

/** Runs the new program once: it has to say what it is, and where shells are opened, open one. */
async function selfCheck(folder: ProgramFolder, name: string, order: UpgradeOrder, signal: AbortSignal): Promise<void> {
  const node = join(
    folder.runtime(folder.runtimeOf(name) ?? ''),
    ...(process.platform === 'win32' ? ['node.exe'] : ['bin', 'node']),
  );
  try {
    const { stdout } = await promisify(execFile)(node, [join(folder.bundle(name), 'main.mjs'), '--self-check'], {
      timeout: SELF_CHECK_LIMIT_MS,
      maxBuffer: SELF_CHECK_OUTPUT_MAX_BYTES,
      killSignal: 'SIGKILL',
      windowsHide: true,
      env: {
        ...process.env,
        ...(process.platform === 'linux' && { LD_LIBRARY_PATH: join(folder.directory, 'lib') }),
        BASCULE_PROGRAM_FOLDER: folder.directory,
        BASCULE_SUPERVISOR: undefined,
        NODE_CHANNEL_FD: undefined,
      },
      signal,
    });
    if (readAbout(stdout)?.version !== order.version) throw new Error('it does not say what it is.');
  } catch (error) {
    signal.throwIfAborted();
    const { message, stderr, killed, code } = error as Error & { stderr?: string; killed?: boolean; code?: unknown };
    const words = killed ? `it did not end within ${SELF_CHECK_LIMIT_MS / 1000} s.` : stderr?.trim() || message;
    throw new UpgradeError(
      code === EXIT_NO_SHELL ? 'no-shell' : 'does-not-start',
      `Version ${order.version} cannot run here: ${words.slice(-WORDS_MAX_CHARACTERS)}`,
    );
  }
}

/** Exit code of `--self-check` when all is well but that no shell can be opened. */
export const EXIT_NO_SHELL = 5;

function readAbout(json: string): ClientBundleAbout | undefined {
  try {
    return clientBundleAbout.parse(JSON.parse(json));
  } catch {
    return undefined;
  }
}
