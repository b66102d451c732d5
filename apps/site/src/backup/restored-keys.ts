/** Whose keys a restored site goes on with: those of the backup, those that are here, or new ones (I6; docs/decisions/0292). */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { IDENTITY_FILES } from '@bascule/backup-format/backup-manifest.ts';
import { syncFolderSync, writeFileDurablySync } from '@bascule/core/durable-file.ts';

/** By which this appliance, not the site, is known; it stays whatever is restored. */
const OWN_KEYS: readonly string[] = ['pair.key', 'pair-wrap.key'];
const past = z.object({ former: z.array(z.object({ certificatePem: z.string() })) });

/** Fingerprints of a site identity: the one in force, and those before it. */
export interface KnownIdentity {
  current: string;
  former: string[];
}

/** The identity whose files are in `keysDir`; undefined: none, or not readable. */
export function identityIn(keysDir: string): KnownIdentity | undefined {
  const certificate = join(keysDir, 'identity.crt');
  if (!existsSync(certificate) || !existsSync(join(keysDir, 'identity.key'))) return undefined;
  try {
    const history = join(keysDir, 'identity-history.json');
    const former = existsSync(history) ? past.parse(JSON.parse(readFileSync(history, 'utf8'))).former : [];
    return {
      current: fingerprintOf(readFileSync(certificate, 'utf8')),
      former: former.map((one) => fingerprintOf(one.certificatePem)),
    };
  } catch {
    return undefined;
  }
}

export interface KeyChoice {
  from: 'backup' | 'here' | 'new';
  /** What is here belongs to the site that is restored. */
  isSameSite: boolean;
}

/**
 * `known`: identities that the database of the backup has seen, and the one that its list of contents names. The identity that is here stays when it is the one of the backup, or came after it:
 * clients that have followed a rotation would not go back.
 */
export function chooseKeys(options: {
  here: KnownIdentity | undefined;
  backup: KnownIdentity | undefined;
  known: readonly string[];
}): KeyChoice {
  const { here, backup, known } = options;
  const ofBackup = new Set([...known, ...(backup === undefined ? [] : [backup.current, ...backup.former])]);
  const ofHere = here === undefined ? [] : [here.current, ...here.former];
  const isSameSite = ofHere.some((fingerprint) => ofBackup.has(fingerprint));
  if (backup === undefined) return { from: isSameSite ? 'here' : 'new', isSameSite };
  return { from: ofHere.includes(backup.current) ? 'here' : 'backup', isSameSite };
}

/** Puts into `keysDir`, which holds the identity of the backup or nothing, what `choice` says of the keys in `hereDir`. But for the identity what is here wins: a backup has no say in what wraps the secrets of this appliance. */
export function takeKeysHere(hereDir: string, keysDir: string, { from, isSameSite }: KeyChoice): void {
  mkdirSync(keysDir, { recursive: true, mode: 0o700 });
  if (!existsSync(hereDir)) return;
  if (from === 'here') for (const name of IDENTITY_FILES) rmSync(join(keysDir, name), { force: true });
  for (const entry of readdirSync(hereDir, { withFileTypes: true })) {
    const { name } = entry;
    if (!entry.isFile()) continue;
    const isIdentity = IDENTITY_FILES.some((file) => file === name);
    const isTaken = OWN_KEYS.includes(name) || (isSameSite && (!isIdentity || from === 'here'));
    if (isTaken) writeFileDurablySync(join(keysDir, name), readFileSync(join(hereDir, name)));
  }
  syncFolderSync(keysDir);
}

/** Copies key files of `from` into the new folder `to`, for looking at them alone. */
export function copyKeys(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  if (!existsSync(from)) return;
  for (const entry of readdirSync(from, { withFileTypes: true }))
    if (entry.isFile()) copyFileSync(join(from, entry.name), join(to, entry.name));
}

function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase();
}
