/**
 * Resets a user's password, or with `--second-factor` the second factor, straight on site.db, when the appliance is stopped:
 * `node offline-reset.ts --database PATH --name admin`; prints {"password"} or {}.
 */
import { dirname } from 'node:path';
import { existsSync } from 'node:fs';
import { resetOffline } from '@bascule/accounts/offline-reset.ts';
import { sitePaths } from '@bascule/core/home.ts';
import { readGeneration } from '@bascule/store/generation-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { isFollower } from './failover/stopped-site.ts';
import { openSiteStore } from './site-store.ts';

await resetOffline({
  kind: 'user',
  keyFile: (database) => `${sitePaths(dirname(database)).keys}/site.key`,
  open({ path, appliance, log }) {
    const { generation: file } = sitePaths(dirname(path));
    const generation = existsSync(file) ? { file, number: readGeneration(file) } : undefined;
    // A backup's database is changed by its primary alone: a password is reset there.
    if (isFollower(dirname(path)))
      throw new AppError('conflict', 'FAILOVER_READ_ONLY', 'This appliance is a backup: reset the password at the primary.');
    return openSiteStore({ path, appliance, log, generation });
  },
});
