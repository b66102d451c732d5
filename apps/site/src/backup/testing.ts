/** For tests of backups: a site in this process, and backups of it that tell what they would mail. */
import { dirname } from 'node:path';
import { openKeyWrap } from '@bascule/accounts/key-wrap.ts';
import { createLog } from '@bascule/log/log.ts';
import type { BackupInclude } from '@bascule/protocol/api/backup.ts';
import { openTestSite } from '../testing.ts';
import { Backups, type BackupsOptions } from './backup.ts';
import { backupSourceOf } from './backup-source.ts';

export const ALL: BackupInclude = { history: true, files: true, recordings: true, boxSettings: true };
export const TEST_BACKUP_PASSWORD = 'a long enough password';

/** `options.environment` names the step at which the program ends (docs/how-to/fault-points.md). */
export async function openTestBackups(options: Partial<BackupsOptions> = {}) {
  const opened = await openTestSite();
  const { site, config, clock } = opened;
  const mails: string[] = [];
  const open = (more: Partial<BackupsOptions> = {}) =>
    new Backups({
      store: site.parts.store,
      source: backupSourceOf(config, {
        history: () => 'h',
        identitySha256: () => site.parts.identity.fingerprintSha256,
        vaultKeys: () => [],
        boxSettings: async (withSecrets) => JSON.stringify({ format: 'test', withSecrets }),
      }),
      keyWrap: openKeyWrap(config.keyFile),
      mail: { tell: (event) => void mails.push(JSON.stringify(event)) },
      page: () => 'https://bascule.example/login',
      changed: () => undefined,
      log: createLog('test', 'silent'),
      now: () => clock.nowMs,
      reserveBytes: 0,
      ...options,
      ...more,
    });
  const backups = open();
  backups.start();
  return {
    ...opened,
    home: dirname(config.siteDir),
    mails,
    backups,
    /** As after a restart of the site. */
    open,
    async [Symbol.asyncDispose]() {
      await backups.close();
      await opened[Symbol.asyncDispose]();
    },
  };
}
