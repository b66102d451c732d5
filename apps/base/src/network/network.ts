export { Addresses, type AddressesOptions, type Holding } from './addresses.ts';
export type { AddressRow } from './address-store.ts';
export { HelperClient, HOOK_WAIT_MS } from './helper-client.ts';
export { plainAddress } from './ip-address.ts';
export { Clock, type ClockOptions } from './network-clock.ts';
export { networkMigrations } from './network-migrations.ts';
export { networkRoutes } from './network-routes.ts';
export { networkSettingsPart } from './network-settings-part.ts';
export { Routing } from './routing.ts';
