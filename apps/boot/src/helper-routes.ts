import { readFileSync } from 'node:fs';
import { checkDestination, checkDevice, checkGateway, checkMetric, Refused } from './helper-checks.ts';
import { ip, objectsIn } from './helper-ip.ts';

/** Marks routes of ours in the kernel (rtm_protocol; /etc/iproute2/rt_protos knows it not): no other is touched. */
export const ROUTE_PROTOCOL = '201';
/** Lines of an answer. */
export const ROUTES_SHOWN_MAX = 256;
const CAP_NET_ADMIN = 12n;

/** A route of the main table. */
export interface Route {
  destination: string;
  gateway: string | null;
  device: string;
  metric: number;
  protocol: string;
  ours: boolean;
}

interface WantedRoute {
  destination: string;
  gateway: string;
  family: 4 | 6;
  device: string | undefined;
  metric: number;
}

/** Routes in the kernel's main table. What is ours says its protocol: nothing needs to be remembered. One change after the other. */
export class OwnRoutes {
  #last: Promise<unknown> = Promise.resolve();

  /** Gives the machine the route; the same one again is fine. Refuses one that the machine has from somebody else, by destination and metric. */
  add(args: { destination: string; gateway: string; device: string; metric: string }): Promise<null> {
    const wanted = checkRoute(args);
    return this.#inTurn(async () => {
      const there = (await look(wanted.family)).filter(
        ({ destination, metric }) => destination === wanted.destination && metric === wanted.metric,
      );
      const foreign = there.find(({ ours }) => !ours);
      if (foreign !== undefined)
        throw new Refused(
          `there is a route to ${wanted.destination} with the metric ${wanted.metric} already, and not from this program`,
        );
      if (there.some((route) => isSame(route, wanted))) return null;
      // Of IPv6, several gateways to one destination would stand beside each other.
      for (const route of there) await remove(route);
      await ip([`-${wanted.family}`, 'route', 'add', ...wordsOf(wanted), 'protocol', ROUTE_PROTOCOL]);
      return null;
    });
  }

  /** Takes a route of ours off again; one that is gone already is fine. */
  drop(args: { destination: string; gateway: string; device: string; metric: string }): Promise<null> {
    const wanted = checkRoute(args, false);
    return this.#inTurn(async () => {
      const own = (await look(wanted.family)).find((route) => route.ours && isSame(route, wanted));
      if (own !== undefined) await remove(own);
      return null;
    });
  }

  /** The main table, IPv4 first. */
  list(): Promise<Route[]> {
    return this.#inTurn(async () => [...(await look(4)), ...(await look(6))].slice(0, ROUTES_SHOWN_MAX));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** Why this machine's network cannot be changed even by root; null: it can. A container may lack the capability. */
export function whyNoNetAdmin(): string | null {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  const isAllowed = ((BigInt(`0x${capabilities}`) >> CAP_NET_ADMIN) & 1n) === 1n;
  return isAllowed ? null : 'this program may not change the network (CAP_NET_ADMIN is missing)';
}

function checkRoute(
  { destination, gateway, device, metric }: { destination: string; gateway: string; device: string; metric: string },
  mustExist = true,
): WantedRoute {
  const to = checkDestination(destination);
  const via = checkGateway(gateway);
  if (to.family !== undefined && to.family !== via.family) throw new Refused('gateway is not of the family of destination');
  if (via.isLinkLocal && device === '') throw new Refused('a link-local gateway needs a network port');
  const port = device === '' ? undefined : mustExist ? checkDevice(device) : device;
  return { destination: to.destination, gateway: via.gateway, family: via.family, device: port, metric: checkMetric(metric) };
}

function isSame(route: Route, { gateway, device }: WantedRoute): boolean {
  return route.gateway === gateway && (device === undefined || route.device === device);
}

function wordsOf({ destination, gateway, device, metric }: Omit<WantedRoute, 'family'>): string[] {
  return [destination, 'via', gateway, ...(device === undefined ? [] : ['dev', device]), 'metric', String(metric)];
}

/** Only what bears our protocol: the kernel compares it. */
async function remove({ destination, gateway, device, metric }: Route): Promise<void> {
  const family = gateway?.includes(':') === true ? 6 : 4;
  await ip(
    [
      `-${family}`,
      'route',
      'delete',
      ...wordsOf({ destination, gateway: gateway ?? '', device, metric }),
      'protocol',
      ROUTE_PROTOCOL,
    ],
    /No such process/,
  );
}

async function look(family: 4 | 6): Promise<Route[]> {
  const { output } = await ip(['-json', `-${family}`, 'route', 'show', 'table', 'main']);
  return readRoutes(output, family);
}

/** Reads what `ip -json route show` says. A single machine's route is given its full prefix. */
export function readRoutes(text: string, family: 4 | 6): Route[] {
  return objectsIn(JSON.parse(text.trim() === '' ? '[]' : text)).flatMap((route) => {
    const { dst, gateway, dev, metric, protocol } = route;
    if (typeof dst !== 'string' || typeof dev !== 'string') return [];
    const isWhole = dst === 'default' || dst.includes('/');
    const name = typeof protocol === 'string' ? protocol : 'boot';
    return [
      {
        destination: isWhole ? dst : `${dst}/${family === 4 ? 32 : 128}`,
        gateway: typeof gateway === 'string' ? gateway : null,
        device: dev,
        metric: typeof metric === 'number' ? metric : 0,
        protocol: name,
        ours: name === ROUTE_PROTOCOL,
      },
    ];
  });
}
