import type { IncomingMessage } from 'node:http';
import type { AnyRoute } from '@bascule/http/route.ts';
import type { Log } from '@bascule/log/log.ts';
import type { Store } from '@bascule/store/store.ts';
import type { Arrival, Changes } from '../changes/changes.ts';
import type { Addresses } from './addresses.ts';
import type { HelperClient } from './helper-client.ts';
import { HostSettings } from './host-settings.ts';
import { routingRoutes } from './routing-routes.ts';
import { StaticRoutes } from './static-routes.ts';

export interface RoutingOptions {
  store: Store;
  helper: HelperClient;
  changes: Changes;
  addresses: Addresses;
  /** How a request came. */
  arrivalOf(request: IncomingMessage): Arrival;
  log: Log;
}

/** How the machine finds others: static routes, name servers; and its own name. */
export class Routing {
  readonly staticRoutes: StaticRoutes;
  readonly host: HostSettings;
  readonly #options: RoutingOptions;

  constructor(options: RoutingOptions) {
    this.#options = options;
    const { addresses } = options;
    this.staticRoutes = new StaticRoutes({ ...options, devices: async () => (await addresses.look()).devices });
    this.host = new HostSettings(options);
  }

  /** Gives the machine what it is to have. Never rejects. */
  async start(): Promise<void> {
    await Promise.all([this.staticRoutes.start(), this.host.start()]);
  }

  /** The machine keeps it. */
  close(): void {
    this.staticRoutes.close();
  }

  routes(): AnyRoute[] {
    return routingRoutes(this.staticRoutes, this.host, (request) => this.#options.arrivalOf(request));
  }
}
