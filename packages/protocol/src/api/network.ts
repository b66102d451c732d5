/** Box interface, below `/appliance/api/network`: IP configuration and how traffic comes to whoever is primary (B10-B13, B139-B141). */
import { z } from 'zod';
import { acceptCut } from './changes.ts';
import { id, instantMs, line, optionalLine } from '../text.ts';

/** Without a zone; IPv4 or IPv6 in its usual text. */
export const ipAddressText = line(45);
export const deviceName = z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/);

/** B11. `Allow Both`: browsers and clients (B11's value); the others are ours. */
export const ACCESS_TYPES = ['both', 'appliance-only', 'site-only'] as const;

/** Why the machine cannot be changed: nobody runs as root here, the operating system's package is too old, the helper is silent, or the kernel does not let it (a container without CAP_NET_ADMIN). */
export const CANNOT_CHANGE = ['not-root', 'old-helper', 'helper-silent', 'not-permitted'] as const;
export type CannotChange = (typeof CANNOT_CHANGE)[number];

/** Lines of the list. */
export const IP_ADDRESSES_MAX = 64;

/** One line of Networking > IP configuration. */
export const ipAddress = z.object({
  id: id('ipAddress'),
  enabled: z.boolean(),
  device: deviceName,
  address: ipAddressText,
  /** B11's subnet mask as a prefix; the page shows both. */
  prefix: z.number().int().min(1).max(128),
  accessType: z.enum(ACCESS_TYPES),
  /** Held only by whoever is primary, and only while it is: with the remaining life of its lease (B139). */
  shared: z.boolean(),
  /** What the kernel has now. */
  state: z.enum(['held', 'not-held', 'foreign', 'no-device', 'refused']),
  /** Until the kernel drops it by itself. */
  lifeLeftSeconds: z.number().nullable(),
  error: z.string().nullable(),
  /** Its certificate: `factory-default` for a new address (B13). */
  certificate: z.string(),
});
export type IpAddress = z.infer<typeof ipAddress>;
export const ipAddressChange = z.strictObject({
  enabled: z.boolean(),
  device: deviceName,
  address: ipAddressText,
  prefix: z.number().int().min(1).max(128),
  accessType: z.enum(ACCESS_TYPES),
  shared: z.boolean(),
  /** The person was told that this cuts the very address by which they are here, and that it is undone unless it is confirmed from elsewhere. */
  acceptCut: z.boolean().optional(),
});
export type IpAddressChange = z.infer<typeof ipAddressChange>;

export const networkDevice = z.object({
  name: z.string(),
  up: z.boolean(),
  mac: z.string().nullable(),
  addresses: z.array(z.object({ address: z.string(), prefix: z.number().int(), ours: z.boolean() })).max(64),
});

/** A file in the folder of hooks that root placed. */
export const hookName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,40}$/);

/** How requests come to the new primary. `checklist`: people do it, and the page watches. */
export const TRAFFIC_WAYS = ['shared-ip', 'dns', 'nat', 'checklist'] as const;
export const dnsUpdate = z.object({
  server: line(255),
  port: z.number().int().min(1).max(65_535),
  zone: line(255),
  /** The record that is replaced, and with what on this appliance. */
  name: line(255),
  address: ipAddressText,
  ttlSeconds: z.number().int().min(1).max(86_400),
  keyName: optionalLine(255),
  algorithm: z.enum(['hmac-sha256', 'hmac-sha512']),
});
export const trafficSettings = z.object({
  way: z.enum(TRAFFIC_WAYS),
  dns: dnsUpdate.nullable(),
  /** Whether a TSIG secret is set; it is never given out. */
  dnsSecretSet: z.boolean(),
  /** The name of a hook in the folder of hooks that root placed (`<home>/hooks`). */
  natHook: hookName.nullable(),
});
export type TrafficSettings = z.infer<typeof trafficSettings>;
export const trafficChange = z.strictObject({
  way: z.enum(TRAFFIC_WAYS),
  dns: dnsUpdate.strict().nullable(),
  /** Base64; absent: stays as it is. */
  dnsSecret: z.base64().max(400).optional(),
  natHook: hookName.nullable(),
});

export const trafficState = z.object({
  settings: trafficSettings,
  hooks: z.array(z.string()).max(50),
  /** Whether this appliance has (or is taking) the traffic now, and why not. */
  holds: z.boolean(),
  lastMove: z
    .object({ atMs: instantMs, to: z.enum(['here', 'away']), outcome: z.enum(['running', 'done', 'failed']), text: z.string() })
    .nullable(),
  /** What the checklist watches: to which addresses the shared name resolves, and who answers there (the appliance's name; empty: somebody who does not say). */
  resolution: z.array(z.object({ address: z.string(), answersAs: z.string().nullable(), isHere: z.boolean() })).max(16),
  /** The name that people and clients use. */
  sharedName: z.string(),
});
export type TrafficState = z.infer<typeof trafficState>;

/** B12: who would be disturbed now; asked for when a form is opened, since the site looks through all it has for it. */
export const connectedNow = z.object({
  clients: z.number().int(),
  sessions: z.array(z.object({ user: z.string(), item: z.string() })).max(100),
  /** Connections of browsers. */
  people: z.number().int(),
  /** False: the site is away, and could not be asked. */
  isKnown: z.boolean(),
});
export type ConnectedNow = z.infer<typeof connectedNow>;

export const ipConfiguration = z.object({
  addresses: z.array(ipAddress).max(IP_ADDRESSES_MAX),
  devices: z.array(networkDevice).max(64),
  /** Whether this appliance can change addresses at all (its helper runs as root). */
  canApply: z.boolean(),
  cannotApply: z.enum(CANNOT_CHANGE).nullable(),
  /** What is missing for announcing addresses (a Debian package), in English; null: nothing. */
  cannotAnnounce: z.string().nullable(),
  /** The address of the appliance by which this page was asked for. */
  reachedBy: z.string(),
  /** The address that the port listens on; null: every address of the machine. */
  listensOn: z.string().nullable(),
  traffic: trafficState,
});
export type IpConfiguration = z.infer<typeof ipConfiguration>;
export type TrafficChange = z.infer<typeof trafficChange>;
export type DnsUpdate = z.infer<typeof dnsUpdate>;
export type NetworkDevice = z.infer<typeof networkDevice>;
export type AccessType = (typeof ACCESS_TYPES)[number];

/** Lines of Networking > Static routes. */
export const STATIC_ROUTES_MAX = 64;
/** `192.0.2.0/24`, `2001:db8::/32`; `default` for everything of the gateway's family. */
export const routeDestination = line(49);
const routeFields = {
  enabled: z.boolean(),
  destination: routeDestination,
  gateway: ipAddressText,
  /** Null: the port by which the gateway can be reached. */
  device: deviceName.nullable(),
  /** The lower one wins, where two lead to the same destination. */
  metric: z.number().int().min(1).max(9999),
};
export const STATIC_ROUTE_METRIC = 100;
export const staticRoute = z.object({
  id: id('staticRoute'),
  ...routeFields,
  /** What the kernel has now. */
  state: z.enum(['active', 'outranked', 'inactive', 'refused']),
  error: z.string().nullable(),
});
export type StaticRoute = z.infer<typeof staticRoute>;
export const staticRouteChange = z.strictObject({ ...routeFields, acceptCut });
export type StaticRouteChange = z.infer<typeof staticRouteChange>;

/** A route that the kernel has; `ours`: of the list above. */
export const kernelRoute = z.object({
  destination: z.string(),
  gateway: z.string().nullable(),
  device: z.string(),
  metric: z.number().int(),
  protocol: z.string(),
  ours: z.boolean(),
});
export type KernelRoute = z.infer<typeof kernelRoute>;

/** GET network/routes; POST network/routes, PUT network/routes/:id, POST network/routes/:id/remove give it too. */
export const routesState = z.object({
  routes: z.array(staticRoute).max(STATIC_ROUTES_MAX),
  /** All of the main table, at most so many. */
  kernel: z.array(kernelRoute).max(256),
  canApply: z.boolean(),
  cannotApply: z.enum(CANNOT_CHANGE).nullable(),
});
export type RoutesState = z.infer<typeof routesState>;

/** One label or several, of letters, digits and dashes (RFC 1123). */
export const hostNameText = z
  .string()
  .trim()
  .toLowerCase()
  .min(1)
  .max(64)
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/);
export const RESOLVER_SERVERS_MAX = 3;
export const RESOLVER_SEARCH_MAX = 6;
export const resolverSettings = z.object({
  servers: z.array(ipAddressText).max(RESOLVER_SERVERS_MAX),
  search: z.array(z.string().trim().toLowerCase().min(1).max(253)).max(RESOLVER_SEARCH_MAX),
});
export type ResolverSettings = z.infer<typeof resolverSettings>;

/** GET network/host; PUT network/host/name and network/host/resolver give it too. */
export const hostState = z.object({
  /** What the machine is called now. */
  hostName: z.string(),
  /** What it is to be called; null: nothing was set here. */
  wantedHostName: z.string().nullable(),
  cannotName: z.enum([...CANNOT_CHANGE, 'read-only', 'managed']).nullable(),
  /** What /etc/resolv.conf says now. */
  resolver: resolverSettings,
  /** What it is to say; null: it is left as it is. */
  wantedResolver: resolverSettings.nullable(),
  cannotResolve: z.enum([...CANNOT_CHANGE, 'read-only', 'managed']).nullable(),
  /** Who writes /etc/resolv.conf when not we: `systemd-resolved`, `NetworkManager`, `resolvconf`, or where the link leads. */
  resolverManager: z.string().nullable(),
  /** The last try that failed, in English. */
  error: z.string().nullable(),
});
export type HostState = z.infer<typeof hostState>;
export const hostNameChange = z.strictObject({ hostName: hostNameText.nullable() });
export const resolverChange = z.strictObject({ resolver: resolverSettings.nullable(), acceptCut });
