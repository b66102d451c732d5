import { z } from 'zod';
import { newId } from '@bascule/core/ids.ts';
import { AppError, notFound } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import {
  STATIC_ROUTES_MAX,
  type NetworkDevice,
  type RoutesState,
  type StaticRoute,
  type StaticRouteChange,
} from '@bascule/protocol/api/network.ts';
import { helperRoutes, type HelperRoute } from '@bascule/protocol/helper-verbs.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import type { Arrival, Changes, UndoPart } from '../changes/changes.ts';
import { cannotChange } from './cannot-change.ts';
import type { HelperClient } from './helper-client.ts';
import { plainAddress } from './ip-address.ts';
import { checkedRoute, leads, refuseSameRoute, refuseUnreachable } from './route-rules.ts';
import { allRoutes, replaceRoutes, routeEvent, routeRows, routeText, writeRoute, type RouteRow } from './route-store.ts';

/** How often the kernel is looked at: what somebody else took away, or what had no gateway yet, is put back. */
export const ROUTES_INTERVAL_MS = 10_000;
const VERBS = ['route-list', 'route-add', 'route-drop'];
const KIND = 'routes';

export interface StaticRoutesOptions {
  store: Store;
  helper: HelperClient;
  changes: Changes;
  /** What the machine has, for looking whether a gateway is a neighbour. */
  devices(): Promise<NetworkDevice[]>;
  log: Log;
}

/** Networking > Static routes: in box.db, and in the kernel by the helper, which touches no other routes. */
export class StaticRoutes {
  readonly #options: StaticRoutesOptions;
  /** Why the kernel did not take a route, by its text. */
  readonly #errors = new Map<string, string>();
  /** The kernel has no route of ours, and is to have none. */
  #isBare = false;
  #timer: NodeJS.Timeout | undefined;
  #applying: Promise<void> = Promise.resolve();

  constructor(options: StaticRoutesOptions) {
    this.#options = options;
    options.changes.register({
      kind: KIND,
      schema: routeRows,
      restore: (tx, before) => replaceRoutes(tx, before),
      applied: () => this.apply(),
    });
  }

  /** Gives the machine its routes, and again whenever one is missing. Never rejects. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.apply(), ROUTES_INTERVAL_MS).unref();
    await this.apply();
  }

  /** The machine keeps its routes. */
  close(): void {
    clearInterval(this.#timer);
  }

  rows(): RouteRow[] {
    return allRoutes(this.#options.store);
  }

  /** What is put back when a change of routes is undone. */
  before(): UndoPart[] {
    return [{ kind: KIND, before: this.rows() }];
  }

  /** The list, with what the kernel has now. */
  async look(): Promise<RoutesState> {
    const cannotApply = await cannotChange(this.#options.helper, VERBS);
    const kernel = cannotApply === null || cannotApply === 'not-permitted' ? await this.#kernel().catch(() => []) : [];
    return {
      routes: this.rows().map((row) => this.#state(row, kernel)),
      kernel,
      canApply: cannotApply === null,
      cannotApply,
    };
  }

  /**
   * Adds a route. Throws `ROUTE_…` for what cannot be, `CHANGE_MIGHT_CUT` when it leads to where the person is and they were not told, `CHANGE_PENDING`.
   */
  async add(context: Context, change: StaticRouteChange, arrival: Arrival): Promise<void> {
    const rows = this.rows();
    if (rows.length >= STATIC_ROUTES_MAX)
      throw new AppError('conflict', 'ROUTES_FULL', `There are ${STATIC_ROUTES_MAX} routes already: remove one first.`, {
        params: { most: STATIC_ROUTES_MAX },
      });
    await this.#make(context, undefined, { id: newId('staticRoute'), ...checkedRoute(change) }, change, arrival);
  }

  /** As `add`; also `NOT_FOUND`. */
  async change(context: Context, id: string, change: StaticRouteChange, arrival: Arrival): Promise<void> {
    await this.#make(context, this.#find(id), { id, ...checkedRoute(change) }, change, arrival);
  }

  /** As `change`. */
  async remove(context: Context, id: string, acceptCut: boolean, arrival: Arrival): Promise<void> {
    await this.#make(context, this.#find(id), undefined, { acceptCut }, arrival);
  }

  /** Makes the kernel's routes what they are to be. Never rejects: what could not be done is shown with its reason. */
  apply(): Promise<void> {
    this.#applying = this.#applying.then(() => this.#apply());
    return this.#applying;
  }

  async #make(
    context: Context,
    before: RouteRow | undefined,
    after: RouteRow | undefined,
    { acceptCut }: Pick<StaticRouteChange, 'acceptCut'>,
    arrival: Arrival,
  ): Promise<void> {
    const devices = await this.#options.devices();
    if (after !== undefined) {
      refuseSameRoute(this.rows(), after, before?.id);
      if (after.enabled) refuseUnreachable(after, devices);
    }
    const address = plainAddress(arrival.address);
    const mightCut = [before, after].some((route) => route?.enabled === true && leads(route, address, devices));
    await this.#options.changes.make(
      context,
      {
        event: routeEvent(before, after),
        write: (tx) => writeRoute(tx, before, after),
        parts: this.before(),
        about: (after ?? before)?.destination ?? '',
      },
      { mightCut, accepted: acceptCut === true },
    );
  }

  async #apply(): Promise<void> {
    try {
      const wanted = this.rows().filter(({ enabled }) => enabled);
      if (wanted.length === 0 && this.#isBare) return;
      if ((await cannotChange(this.#options.helper, VERBS)) !== null) return;
      const kernel = await this.#kernel();
      this.#errors.clear();
      for (const route of kernel.filter(({ ours }) => ours))
        if (!wanted.some((row) => isThere(row, route))) await this.#drop(route);
      for (const row of wanted) if (!kernel.some((route) => route.ours && isThere(row, route))) await this.#add(row);
      this.#isBare = wanted.length === 0;
    } catch (error) {
      this.#options.log.warn({ err: error }, 'network.routes-not-applied');
    }
  }

  async #add(row: RouteRow): Promise<void> {
    try {
      await this.#options.helper.ask('route-add', argumentsOf(row), z.null());
    } catch (error) {
      const reason = error instanceof AppError ? String(error.params['reason'] ?? error.message) : String(error);
      this.#errors.set(routeText(row), reason);
      this.#options.log.warn({ route: routeText(row), reason }, 'network.route-not-added');
    }
  }

  async #drop({ destination, gateway, device, metric }: HelperRoute): Promise<void> {
    if (gateway === null) return;
    await this.#options.helper.ask('route-drop', argumentsOf({ destination, gateway, device, metric }), z.null());
    this.#options.log.info({ destination, gateway, device }, 'network.route-dropped');
  }

  async #kernel(): Promise<HelperRoute[]> {
    return await this.#options.helper.ask('route-list', {}, helperRoutes);
  }

  #state(row: RouteRow, kernel: HelperRoute[]): StaticRoute {
    const here = kernel.find((route) => route.ours && isThere(row, route));
    const error = this.#errors.get(routeText(row)) ?? null;
    if (here === undefined) return { ...row, state: error === null ? 'inactive' : 'refused', error };
    const isOutranked = kernel.some(
      (route) =>
        route !== here && route.destination === row.destination && isOfFamily(route, row.gateway) && route.metric < row.metric,
    );
    return { ...row, state: isOutranked ? 'outranked' : 'active', error: null };
  }

  #find(id: string): RouteRow {
    const row = this.rows().find((one) => one.id === id);
    if (row === undefined) throw notFound();
    return row;
  }
}

const isOfFamily = ({ gateway, destination }: HelperRoute, address: string): boolean =>
  (gateway ?? destination).includes(':') === address.includes(':');

function isThere(row: RouteRow, route: HelperRoute): boolean {
  return (
    route.destination === row.destination &&
    route.gateway === row.gateway &&
    route.metric === row.metric &&
    (row.device === null || row.device === route.device)
  );
}

function argumentsOf({ destination, gateway, device, metric }: Pick<RouteRow, 'destination' | 'gateway' | 'device' | 'metric'>) {
  return { destination, gateway, device: device ?? '', metric: String(metric) };
}
