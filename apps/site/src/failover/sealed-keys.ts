import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ringPathOf } from '@bascule/accounts/key-ring-files.ts';
import { KeyRing } from '@bascule/accounts/key-ring.ts';
import { syncFolderSync, writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { SITE_KEY_FILES, type SiteKeys } from '@bascule/protocol/pair-establish.ts';

/** Without these a site cannot be opened, nor its clients be served. */
const VAULT_KEY = 'site.key';
const NEEDED = ['identity.key', 'identity.crt', VAULT_KEY] as const;

/**
 * The keys that go over to a backup: the site identity with its former ones (and a rotation that is under way), the key that wraps secrets in site.db, and the ticket
 * keys. Never the pair key, by which each appliance is known, nor the key that wraps what is local to it. Throws `FAILOVER_KEYS_MISSING`.
 */
export function collectSiteKeys(keysDir: string, webCertificate: SiteKeys['webCertificate']): SiteKeys {
  const missing = NEEDED.find((name) => !existsSync(join(keysDir, name)));
  if (missing !== undefined)
    throw new AppError(
      'internal',
      'FAILOVER_KEYS_MISSING',
      `${join(keysDir, missing)} is missing: without it there is nothing that could be handed over. Restore it from a backup.`,
    );
  const files = SITE_KEY_FILES.filter((name) => existsSync(join(keysDir, name))).map((name) => ({
    name,
    data: readFileSync(join(keysDir, name)).toString('base64'),
  }));
  const ring = ringPathOf(join(keysDir, VAULT_KEY));
  return {
    format: 'bascule-site-keys/1',
    files,
    ...(existsSync(ring) && { ring: readFileSync(ring).toString('base64') }),
    webCertificate,
  };
}

/**
 * Puts `keys` in the places of the former ones in `keysDir`, each file durably, and removes those of SITE_KEY_FILES that are not among them (a former rotation must not
 * be finished with another site's identity). The caller has archived the former ones. Harmless when done again after a cut.
 */
export function writeSiteKeys(keysDir: string, keys: SiteKeys): void {
  mkdirSync(keysDir, { recursive: true, mode: 0o700 });
  const ring = ringPathOf(join(keysDir, VAULT_KEY));
  if (keys.ring === undefined) rmSync(ring, { force: true });
  else writeFileDurablySync(ring, Buffer.from(keys.ring, 'base64'));
  for (const name of SITE_KEY_FILES)
    if (!keys.files.some((file) => file.name === name)) rmSync(join(keysDir, name), { force: true });
  for (const { name, data } of keys.files) writeFileDurablySync(join(keysDir, name), Buffer.from(data, 'base64'));
  syncFolderSync(keysDir);
}

/** Fingerprint of the vault keys in `keysDir`; undefined when there are none, or damaged ones. */
export function vaultKeysFingerprint(keysDir: string): string | undefined {
  const path = join(keysDir, VAULT_KEY);
  try {
    return existsSync(path) ? KeyRing.open(path).fingerprint() : undefined;
  } catch {
    return undefined;
  }
}
