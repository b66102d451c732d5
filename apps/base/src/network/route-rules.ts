import { isIPv4 } from 'node:net';
import { isInNetwork, readNetwork, type IpNetwork } from '@bascule/core/ip-network.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { NetworkDevice, StaticRouteChange } from '@bascule/protocol/api/network.ts';
import type { RouteRow } from './route-store.ts';
import { plainAddress } from './ip-address.ts';

export type RouteDraft = Omit<RouteRow, 'id'>;
type Devices = Pick<NetworkDevice, 'name' | 'addresses'>[];

/** A neighbour's own address of IPv6: it holds on one port alone. */
const isLinkLocal = (address: string): boolean => /^fe[89ab]/.test(address);
const familyOf = (address: string): 4 | 6 => (isIPv4(address) ? 4 : 6);

/** What a form says, as it is kept: the destination in its usual text, `default` for all of a family. Throws `ROUTE_DESTINATION_INVALID`, `ROUTE_GATEWAY_INVALID`, `ROUTE_DEVICE_MISSING`. */
export function checkedRoute({ enabled, destination, gateway, device, metric }: StaticRouteChange): RouteDraft {
  const via = gateway.includes('%') ? '' : plainAddress(gateway.trim());
  if (via === '' || !isNeighbour(via))
    throw invalid('ROUTE_GATEWAY_INVALID', 'gateway', 'The address of a neighbour is needed, such as 192.0.2.1 or 2001:db8::1.');
  const to = checkedDestination(destination, familyOf(via));
  if (isLinkLocal(via) && device === null)
    throw invalid('ROUTE_DEVICE_MISSING', 'device', 'A link-local gateway (fe80::…) needs the network port on which it is.');
  return { enabled, destination: to, gateway: via, device, metric };
}

function isNeighbour(address: string): boolean {
  if (isIPv4(address)) {
    const [first = 0, second = 0] = address.split('.').map(Number);
    return first > 0 && first !== 127 && first < 224 && !(first === 169 && second === 254);
  }
  return address !== '::' && address !== '::1' && !address.startsWith('ff');
}

function checkedDestination(text: string, family: 4 | 6): string {
  if (text.trim().toLowerCase() === 'default') return 'default';
  const network = readNetwork(text);
  if (network === undefined || network.family !== family || !mayBeRouted(network))
    throw invalid(
      'ROUTE_DESTINATION_INVALID',
      'destination',
      'A network of the gateway’s family is needed, such as 198.51.100.0/24 or 2001:db8:1::/48 (no bits beyond the prefix), or the word default.',
    );
  return network.prefix === 0 ? 'default' : network.text;
}

function mayBeRouted({ address, family, prefix }: IpNetwork): boolean {
  if (prefix === 0) return true;
  if (family === 4) return isNeighbour(address) && !address.startsWith('0.');
  return !isLinkLocal(address) && isNeighbour(address);
}

/** Two routes to one destination need different metrics. Throws `ROUTE_TAKEN`. */
export function refuseSameRoute(rows: RouteRow[], draft: RouteDraft, id: string | undefined): void {
  const isSame = (row: RouteRow): boolean =>
    row.destination === draft.destination && row.metric === draft.metric && familyOf(row.gateway) === familyOf(draft.gateway);
  if (!rows.some((row) => row.id !== id && isSame(row))) return;
  throw new AppError(
    'conflict',
    'ROUTE_TAKEN',
    `There is a route to ${draft.destination} with the metric ${draft.metric} already.`,
    {
      field: 'body.destination',
      params: { destination: draft.destination, metric: draft.metric },
    },
  );
}

/** Why the gateway cannot be reached directly, as an error code; undefined: it can. */
export function whyNoGateway(
  { gateway, device }: Pick<RouteDraft, 'gateway' | 'device'>,
  devices: Devices,
): 'ROUTE_GATEWAY_UNREACHABLE' | 'ROUTE_GATEWAY_OWN' | 'ROUTE_NO_DEVICE' | undefined {
  const ports = devices.filter(({ name }) => device === null || name === device);
  if (device !== null && ports.length === 0) return 'ROUTE_NO_DEVICE';
  if (devices.some(({ addresses }) => addresses.some(({ address }) => address === gateway))) return 'ROUTE_GATEWAY_OWN';
  if (isLinkLocal(gateway)) return undefined;
  const isOnLink = ports.some(({ addresses }) => addresses.some((one) => isInNetwork(networkOf(one), gateway)));
  return isOnLink ? undefined : 'ROUTE_GATEWAY_UNREACHABLE';
}

/** Throws what `whyNoGateway` gives. */
export function refuseUnreachable(draft: RouteDraft, devices: Devices): void {
  const code = whyNoGateway(draft, devices);
  if (code === undefined) return;
  const { gateway, device } = draft;
  const messages = {
    ROUTE_GATEWAY_UNREACHABLE: `${gateway} is in no network of this machine: a gateway must be a direct neighbour.`,
    ROUTE_GATEWAY_OWN: `${gateway} is an address of this machine itself: a gateway is another machine.`,
    ROUTE_NO_DEVICE: `This machine has no network port ${device}.`,
  };
  throw new AppError('invalid', code, messages[code], {
    field: code === 'ROUTE_NO_DEVICE' ? 'body.device' : 'body.gateway',
    params: { gateway, device: device ?? '' },
  });
}

/**
 * Whether what is sent to `address` may go another way when `route` comes or goes: it is inside the destination, and in no network of a port that is as narrow. Loopback never leaves
 * the machine.
 */
export function leads(
  { destination, gateway }: Pick<RouteDraft, 'destination' | 'gateway'>,
  address: string,
  devices: Devices,
): boolean {
  if (address === '' || address === '::1' || address.startsWith('127.') || isLinkLocal(address)) return false;
  const network = readNetwork(destination === 'default' ? (isIPv4(gateway) ? '0.0.0.0/0' : '::/0') : destination);
  if (network === undefined || !isInNetwork(network, address)) return false;
  const isNear = devices.some(({ addresses }) =>
    addresses.some((one) => one.prefix >= network.prefix && isInNetwork(networkOf(one), address)),
  );
  return !isNear;
}

const networkOf = ({ address, prefix }: { address: string; prefix: number }): Omit<IpNetwork, 'text'> => ({
  address,
  prefix,
  family: familyOf(address),
});

function invalid(code: string, field: string, message: string): AppError {
  return new AppError('invalid', code, message, { field: `body.${field}` });
}
