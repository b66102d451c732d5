/** Backups of a site, and of the backup of a pair, put together of what they need from others. */
import { KeyRing } from '@bascule/accounts/key-ring.ts';
import { openKeyWrap } from '@bascule/accounts/key-wrap.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { Mailer } from '@bascule/mail/mailer.ts';
import type { Store } from '@bascule/store/store.ts';
import { Backups, StandbyBackups, type BoxSettingsQuestion } from '../backup/backup.ts';
import { backupSourceOf } from '../backup/backup-source.ts';
import { siteUrl, type SiteConfig } from '../config/config.ts';
import type { Failover } from '../failover/failover.ts';

interface Needed {
  config: SiteConfig;
  failover: Failover | undefined;
  /** Undefined where there is no base to ask: trials, tests of the site alone. */
  boxSettings: BoxSettingsQuestion | undefined;
  log: Log;
  now(): number;
}

/** Without starting anything. */
export function openBackups(
  options: Needed & {
    store: Store;
    identitySha256(): string;
    mail: Mailer;
    changed(): void;
  },
): Backups {
  const { store, config, mail, changed, log, now, identitySha256 } = options;
  return new Backups({
    store,
    source: sourceOf(options, identitySha256),
    keyWrap: openKeyWrap(config.keyFile),
    mail,
    page: () => `${siteUrl(config)}/login/management/software`,
    changed,
    log,
    now,
  });
}

export function openStandbyBackups(options: Needed): StandbyBackups {
  return new StandbyBackups({ source: sourceOf(options, () => null), log: options.log, now: options.now });
}

function sourceOf({ config, failover, boxSettings }: Needed, identitySha256: () => string | null) {
  return backupSourceOf(config, {
    history: () => failover?.openedPair?.parts.records.self.history ?? config.knownHistory ?? '',
    identitySha256,
    vaultKeys: () =>
      KeyRing.open(config.keyFile)
        .keys()
        .map(({ id }) => id),
    boxSettings: async (withSecrets) => {
      if (boxSettings !== undefined) return await boxSettings.ask(withSecrets);
      throw new AppError('unavailable', 'BACKUP_BOX_SILENT', 'There is no base software that could be asked.');
    },
  });
}
