export { Clock, type ClockOptions } from './network-clock.ts';
export { networkMigrations } from './network-migrations.ts';
export { networkRoutes } from './network-routes.ts';
