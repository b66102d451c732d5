/** Where what goes into backups lies, as the site was started. */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { siteStart } from '@bascule/protocol/base-site.ts';
import type { SiteConfig } from '../config/config.ts';
import type { BackupSource } from './backup-making.ts';

/** Files of the file store, within `files/`, beside what packages bring there. */
export const FILE_STORE_FOLDER = 'store';

export function backupSourceOf(
  config: SiteConfig,
  from: Pick<BackupSource, 'history' | 'identitySha256' | 'vaultKeys' | 'boxSettings'>,
): BackupSource {
  const { paths } = config;
  return {
    appliance: config.applianceName,
    siteVersion: config.version,
    database: paths.database,
    keysDir: paths.keys,
    fileStoreDir: join(paths.files, FILE_STORE_FOLDER),
    recordingsDir: paths.recordings,
    siteDir: config.siteDir,
    home: dirname(config.siteDir),
    backupsDir: backupsDirOf(config),
    workDir: paths.backupWork,
    // What a trial is not told it does not do: no epoch is known to it, and nothing is committed.
    trial: siteStart.parse({ ...config, knownEpoch: undefined, knownHistory: undefined }),
    ...from,
  };
}

/** `backups` of the data directory. Where it is missing and cannot be made (an appliance whose boot is older), a folder of the site's own. */
function backupsDirOf({ siteDir, backupsDir }: SiteConfig): string {
  const wanted = backupsDir ?? join(dirname(siteDir), 'backups');
  if (existsSync(wanted)) return wanted;
  try {
    accessSync(dirname(wanted), constants.W_OK);
    return wanted;
  } catch {
    return join(siteDir, 'backups');
  }
}
