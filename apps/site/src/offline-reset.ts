/**
 * Resets a user's password, or with `--second-factor` the second factor, straight on site.db, when the appliance is stopped:
 * `node offline-reset.ts --database PATH --name admin`; prints {"password"} or {}.
 */
import { dirname } from 'node:path';
import { existsSync } from 'node:fs';
import { resetOffline } from '@bascule/accounts/offline-reset.ts';
import { sitePaths } from '@bascule/core/home.ts';
import { readGeneration } from '@bascule/store/generation-file.ts';
import { openSiteStore } from './site-store.ts';

await resetOffline({
  kind: 'user',
  keyFile: (database) => `${sitePaths(dirname(database)).keys}/site.key`,
  open({ path, appliance, log }) {
    const { generation: file } = sitePaths(dirname(path));
    const generation = existsSync(file) ? { file, number: readGeneration(file) } : undefined;
    return openSiteStore({ path, appliance, log, generation });
  },
});
