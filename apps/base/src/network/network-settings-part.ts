import { z } from 'zod';
import { newId } from '@bascule/core/ids.ts';
import type { SettingsLine } from '@bascule/protocol/api/box-settings.ts';
import {
  ACCESS_TYPES,
  deviceName,
  hostNameText,
  IP_ADDRESSES_MAX,
  ipAddressText,
  resolverSettings,
  routeDestination,
  STATIC_ROUTES_MAX,
} from '@bascule/protocol/api/network.ts';
import { ntpSettings } from '@bascule/protocol/api/updates.ts';
import type { Tx } from '@bascule/store/store.ts';
import { settingsLine, type BoxSettingsPart } from '../box-settings/box-settings.ts';
import type { Changes } from '../changes/changes.ts';
import type { AddressDraft, AddressRow } from './address-store.ts';
import type { Addresses } from './addresses.ts';
import { checkedAddress } from './ip-address.ts';
import { checkedResolver, type HostSettings } from './host-settings.ts';
import type { Clock } from './network-clock.ts';
import { checkedRoute, whyNoGateway, type RouteDraft } from './route-rules.ts';
import { routeText, replaceRoutes, type RouteRow } from './route-store.ts';
import type { Routing } from './routing.ts';
import type { StaticRoutes } from './static-routes.ts';

const address = z.object({
  enabled: z.boolean(),
  device: deviceName,
  address: ipAddressText,
  prefix: z.number().int().min(1).max(128),
  accessType: z.enum(ACCESS_TYPES),
  shared: z.boolean(),
});
const staticRoute = z.object({
  enabled: z.boolean(),
  destination: routeDestination,
  gateway: ipAddressText,
  device: deviceName.nullable(),
  metric: z.number().int().min(1).max(9999),
});
const networkSettings = z.object({
  addresses: z.array(address).max(IP_ADDRESSES_MAX),
  routes: z.array(staticRoute).max(STATIC_ROUTES_MAX),
  hostName: hostNameText.nullable(),
  resolver: resolverSettings.nullable(),
  ntp: ntpSettings,
});
type NetworkSettings = z.infer<typeof networkSettings>;

export interface NetworkParts {
  addresses: Addresses;
  routing: Routing;
  clock: Clock;
  changes: Changes;
}

type Seen = Awaited<ReturnType<Addresses['look']>>['devices'];
const NTP_KIND = 'time-servers';

/** The network of the box, as it is exported and imported: addresses, routes, name, name servers, time servers. */
export function networkSettingsPart(parts: NetworkParts): BoxSettingsPart<NetworkSettings> {
  const { addresses, routing, clock, changes } = parts;
  const { staticRoutes: routes, host } = routing;
  changes.register({
    kind: NTP_KIND,
    schema: ntpSettings,
    restore: (tx, before) => clock.write(tx, before),
    applied: () => clock.replaced(),
  });
  const read = (): NetworkSettings => ({
    addresses: addresses.rows().map((row) => address.parse(row)),
    routes: routes.rows().map((row) => staticRoute.parse(row)),
    ...host.wishes(),
    ntp: clock.settings(),
  });
  return {
    name: 'network',
    schema: networkSettings,
    read,
    async describe(value) {
      const { devices } = await addresses.look();
      const before = read();
      return [
        ...addressLines(before.addresses, value.addresses, devices),
        ...routeLines(before.routes, value.routes, withImported(devices, value.addresses)),
        ...(await hostLines(before, value, host)),
        ...ntpLines(before, value),
      ];
    },
    write(tx, value, isLeftOut) {
      writeAddresses(tx, addresses, value, isLeftOut);
      writeRoutes(tx, routes, value, isLeftOut);
      const { hostName, resolver } = value;
      host.write(tx, {
        ...(!isLeftOut('host-name') && { hostName }),
        ...(!isLeftOut('resolver') && { resolver: resolver && checkedResolver(resolver) }),
      });
      if (!isLeftOut('ntp')) clock.write(tx, value.ntp);
    },
    applied: () => undefined,
    before: () => [...addresses.before(), ...routes.before(), ...host.before(), { kind: NTP_KIND, before: clock.settings() }],
    mightCut(value, isLeftOut) {
      const before = read();
      const all = [
        ...addressLines(before.addresses, value.addresses, []),
        ...routeLines(before.routes, value.routes, []),
        ...(isSame(before.resolver, value.resolver) ? [] : [{ key: 'resolver' }]),
      ];
      return all.some(({ key }) => !isLeftOut(key));
    },
  };
}

const addressKey = (one: Pick<AddressDraft, 'address'>): string => `address ${one.address}`;
const routeKey = (one: Pick<RouteDraft, 'destination' | 'metric' | 'gateway'>): string =>
  `route ${one.destination} ${one.gateway.includes(':') ? 6 : 4} ${one.metric}`;
const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
const addressText = ({ address: text, prefix, device }: AddressDraft): string => `${text}/${prefix} (${device})`;

function addressLines(before: AddressDraft[], after: AddressDraft[], devices: Seen): SettingsLine[] {
  const lines = after.flatMap((wanted) => {
    const now = before.find((one) => one.address === wanted.address);
    if (now !== undefined && isSame(sorted(now), sorted(wanted))) return [];
    const isMissing = devices.length > 0 && !devices.some(({ name }) => name === wanted.device);
    const unfit = isMissing ? `This machine has no network port ${wanted.device}.` : null;
    const params = { address: addressText(wanted) };
    return [
      now === undefined
        ? settingsLine(addressKey(wanted), 'address-added', params, `Adds the address ${params.address}.`, unfit)
        : settingsLine(addressKey(wanted), 'address-changed', params, `Changes the address ${params.address}.`, unfit),
    ];
  });
  const gone = before.filter((one) => !after.some((wanted) => wanted.address === one.address));
  return [
    ...lines,
    ...gone.map((one) => {
      const params = { address: addressText(one) };
      return settingsLine(addressKey(one), 'address-removed', params, `Removes the address ${params.address}.`);
    }),
  ];
}

/** Keys in one order, so that values can be compared as text. */
function sorted(value: object): [string, unknown][] {
  return Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
}

function routeLines(before: RouteDraft[], after: RouteDraft[], devices: Seen): SettingsLine[] {
  const lines = after.flatMap((wanted) => {
    const now = before.find((one) => routeKey(one) === routeKey(wanted));
    if (now !== undefined && isSame(sorted(now), sorted(wanted))) return [];
    const why = devices.length > 0 && wanted.enabled ? whyNoGateway(wanted, devices) : undefined;
    const unfit =
      why === 'ROUTE_NO_DEVICE'
        ? `This machine has no network port ${wanted.device}.`
        : why === undefined
          ? null
          : `${wanted.gateway} is no neighbour of this machine.`;
    const params = { route: routeText(wanted) };
    return [
      now === undefined
        ? settingsLine(routeKey(wanted), 'route-added', params, `Adds the route ${params.route}.`, unfit)
        : settingsLine(routeKey(wanted), 'route-changed', params, `Changes the route ${params.route}.`, unfit),
    ];
  });
  const gone = before.filter((one) => !after.some((wanted) => routeKey(wanted) === routeKey(one)));
  return [
    ...lines,
    ...gone.map((one) =>
      settingsLine(routeKey(one), 'route-removed', { route: routeText(one) }, `Removes the route ${routeText(one)}.`),
    ),
  ];
}

/** The machine's ports as they will be: a gateway may be a neighbour only by an address that comes along. */
function withImported(devices: Seen, addresses: AddressDraft[]): Seen {
  return devices.map((port) => ({
    ...port,
    addresses: [
      ...port.addresses,
      ...addresses
        .filter(({ device, enabled }) => enabled && device === port.name)
        .map(({ address: text, prefix }) => ({ address: text, prefix, ours: true })),
    ],
  }));
}

async function hostLines(before: NetworkSettings, value: NetworkSettings, host: HostSettings): Promise<SettingsLine[]> {
  const { cannotName, cannotResolve, hostName } = await host.look();
  const lines: SettingsLine[] = [];
  if (before.hostName !== value.hostName) {
    const params = { name: value.hostName ?? hostName };
    const unfit = value.hostName !== null && cannotName !== null ? 'The host name cannot be changed from here.' : null;
    lines.push(settingsLine('host-name', 'host-name', params, `Sets the host name ${params.name}.`, unfit));
  }
  if (!isSame(before.resolver, value.resolver)) {
    const servers = value.resolver?.servers.join(', ') ?? '';
    const isRefused = value.resolver !== null && cannotResolve !== null;
    const unfit = isRefused ? 'The name servers cannot be changed from here.' : null;
    const text = servers === '' ? 'Leaves the name servers to the operating system.' : `Asks the name servers ${servers}.`;
    lines.push(settingsLine('resolver', servers === '' ? 'resolver-left' : 'resolver', { servers }, text, unfit));
  }
  return lines;
}

function ntpLines(before: NetworkSettings, { ntp }: NetworkSettings): SettingsLine[] {
  if (isSame(sorted(before.ntp), sorted(ntp))) return [];
  const servers = ntp.servers.join(', ');
  const text = ntp.isOn ? `Asks the time servers ${servers || 'of the operating system'}.` : 'Asks no time servers.';
  return [settingsLine('ntp', ntp.isOn ? 'ntp' : 'ntp-off', { servers: servers || '–' }, text)];
}

function writeAddresses(tx: Tx, addresses: Addresses, value: NetworkSettings, isLeftOut: (key: string) => boolean): void {
  const now = addresses.rows();
  const kept = now.filter((row) => isLeftOut(addressKey(row)));
  const wanted = value.addresses
    .filter((one) => !isLeftOut(addressKey(one)))
    .map((one): AddressRow => {
      const text = checkedAddress(one.address, one.prefix);
      return { id: now.find((row) => row.address === text)?.id ?? newId('ipAddress'), ...one, address: text };
    });
  addresses.replaceAll(tx, [...kept, ...wanted]);
}

function writeRoutes(tx: Tx, routes: StaticRoutes, value: NetworkSettings, isLeftOut: (key: string) => boolean): void {
  const now = routes.rows();
  const kept = now.filter((row) => isLeftOut(routeKey(row)));
  const wanted = value.routes
    .filter((one) => !isLeftOut(routeKey(one)))
    .map((one): RouteRow => {
      const route = checkedRoute(one);
      return { id: now.find((row) => routeKey(row) === routeKey(route))?.id ?? newId('staticRoute'), ...route };
    });
  replaceRoutes(tx, [...kept, ...wanted]);
}
