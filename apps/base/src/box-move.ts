/** A site that is moved from here, or to here, put together with what it needs of the rest of base. */
import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { openKeyWrap } from '@bascule/accounts/key-wrap.ts';
import type { Log } from '@bascule/log/log.ts';
import type { Store } from '@bascule/store/store.ts';
import { reachableAddresses } from './box/box.ts';
import type { BoxSettings } from './box-settings/box-settings.ts';
import type { BaseConfig } from './config/config.ts';
import { Move } from './move/move.ts';
import type { Clock } from './network/network.ts';
import type { Prepared } from './prepared.ts';
import type { SiteHost } from './site-host/site-host.ts';

export interface BoxMoveOptions {
  config: BaseConfig;
  store: Store;
  host: SiteHost;
  prepared: Prepared;
  boxSettings: BoxSettings;
  clock: Clock;
  log: Log;
}

export function openMove({ config, store, host, prepared, boxSettings, clock, log }: BoxMoveOptions): Move {
  const { applianceName, publicHost, port, listen, paths } = config;
  return new Move({
    store,
    host,
    applianceName,
    publicHost,
    publicPort: port,
    versions: () => ({ base: config.version, site: host.software.version }),
    webKeyPin: () => prepared.handed.keyPinFor(publicHost),
    addresses: () => reachableAddresses(listen).map((address) => ({ host: address, port })),
    settings: boxSettings,
    keyWrap: openKeyWrap(join(paths.box, 'account.key')),
    freeBytes: () => {
      const { bavail, bsize } = statfsSync(paths.home);
      return bavail * bsize;
    },
    now: () => clock.now(),
    log,
  });
}
