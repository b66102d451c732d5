/** What a prepared program looks at before it is let near the state: everything is read, nothing written. */
import { createPrivateKey } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { SiteConfig } from '../config/config.ts';
import { checkSiteStore } from '../site-store.ts';

const PAGES = ['login.html', 'console.html'];

/** Reads software, keys and schema. Throws an AppError whose sentence says what is wrong: `SITE_SOFTWARE_INCOMPLETE`, `SITE_KEYS_UNREADABLE` or one of `Store.check`. */
export function checkSite(config: SiteConfig, log: Log): { schema: number; pending: string[]; databaseBytes: number } {
  checkSoftware(config);
  checkKeys(config);
  const { schema, pending, bytes } = checkSiteStore(config.paths.database, log);
  return { schema, pending, databaseBytes: bytes };
}

function checkSoftware({ webDir, softwareDir, runtimeDir, version }: SiteConfig): void {
  const needed = [
    ...PAGES.map((page) => join(webDir, page)),
    join(softwareDir, 'apps', 'jump-client', 'src', 'main.ts'),
    join(runtimeDir, 'bin', 'node'),
  ];
  for (const file of needed) {
    if (canRead(file)) continue;
    throw new AppError(
      'unavailable',
      'SITE_SOFTWARE_INCOMPLETE',
      `Version ${version} of the site lacks ${file}, or it cannot be read: install the package again.`,
    );
  }
}

/** Keys that a site has made once; a new site has none yet. */
function checkKeys({ paths, keyFile }: SiteConfig): void {
  const identityKey = join(paths.keys, 'identity.key');
  for (const file of [keyFile, identityKey, join(paths.keys, 'identity.crt'), paths.generation]) {
    if (existsSync(file) && !canRead(file)) throw keysUnreadable(file);
  }
  if (!existsSync(identityKey)) return;
  try {
    createPrivateKey(readFileSync(identityKey));
  } catch {
    throw keysUnreadable(identityKey);
  }
}

function keysUnreadable(file: string): AppError {
  return new AppError(
    'unavailable',
    'SITE_KEYS_UNREADABLE',
    `${file} cannot be read: check its permissions, or restore it from a backup.`,
  );
}

function canRead(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
