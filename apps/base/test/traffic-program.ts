/**
 * base as far as traffic goes, as a process of its own that a test can stop: a real SiteHost with the fixture programs, addresses and traffic, beside a real helper.
 * `node traffic-program.ts HOME HELPER_SOCKET ADDRESS [when]`: holds ADDRESS on eth0 while its main serves, which says when it says so. Says `{main: pid}` when it works.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { bootClockMs } from '@bascule/core/boot-clock.ts';
import { homePaths } from '@bascule/core/home.ts';
import { createLog } from '@bascule/log/log.ts';
import { Store, SYSTEM } from '@bascule/store/store.ts';
import { Changes, changeMigrations } from '../src/changes/changes.ts';
import { Addresses, HelperClient, networkMigrations } from '../src/network/network.ts';
import { SiteHost, type PairState } from '../src/site-host/site-host.ts';
import { Traffic } from '../src/traffic/traffic.ts';

const [home = '', helperSocket = '', address = '', says = ''] = process.argv.slice(2);
const paths = homePaths(home);
const log = createLog('test', 'silent');
for (const directory of [paths.box, join(paths.run, 'control')]) mkdirSync(directory, { recursive: true });
const store = Store.open({
  path: paths.boxDatabase,
  migrations: [...changeMigrations, ...networkMigrations],
  appliance: 'test',
  log,
});
const program = (name: string): string => join(import.meta.dirname, `fixture-${name}.ts`);
const host = new SiteHost({
  paths,
  software: () => ({
    folder: '',
    version: '0',
    directory: '/',
    node: process.execPath,
    runtimeDir: '/',
    programs: { main: program('main'), relay: program('relay') },
  }),
  siteStart: () => ({ applianceName: 'test', publicHost: 'localhost', publicPort: 1, hosts: [], webKeyPin: '' }),
  log,
});
const helper = new HelperClient(helperSocket);
const network = new Addresses({ store, helper, changes: new Changes({ store, log }), log });
const traffic = new Traffic({
  store,
  boxDirectory: paths.box,
  helper,
  host,
  network,
  applianceName: 'test',
  sharedName: 'app.pra.test',
  port: 443,
  listensOn: undefined,
  browsers: () => 0,
  localAddressOf: () => '',
  mailer: { tell: () => undefined },
  page: '',
  log,
});
const serving: PairState = {
  kind: 'pair-state',
  role: 'primary',
  history: 'one',
  epoch: 1,
  serves: true,
  leaseLeftMs: null,
  mode: 'async',
  peer: null,
  lagChanges: null,
  lagSeconds: null,
  ...(says === 'when' && { atBootMs: bootClockMs() }),
};

await network.add(SYSTEM, { enabled: true, device: 'eth0', address, prefix: 24, accessType: 'both', shared: true }, '');
traffic.start();
await network.start();
await host.start();
await host.whenReady(20_000);
await host.pairDo('pln_1', 1, { kind: 'sign', statement: JSON.stringify(serving) });
process.on('disconnect', () => process.exit(0));
process.send?.({ main: host.main.state.pid });
