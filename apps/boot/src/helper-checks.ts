import { existsSync } from 'node:fs';
import { isIPv4, isIPv6 } from 'node:net';
import { readNetwork } from '@bascule/core/ip-network.ts';

/** What the helper answers to a request that it does not do; its message goes to base. */
export class Refused extends Error {}

/** Longest life that can be asked for; a shared address is renewed each second. */
export const LIFE_MAX_MS = 600_000;
const DEVICE = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const DOMAIN_LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
const HOOK = /^[a-z0-9][a-z0-9-]{0,40}$/;
/** Nothing wider: it would be a route for half of the Internet. */
const WIDEST_PREFIX = { 4: 8, 6: 16 } as const;

/** A network port of this machine. Throws `Refused`. */
export function checkDevice(device: string): string {
  if (!DEVICE.test(device)) throw new Refused('device is not the name of a network port');
  if (!existsSync(`/sys/class/net/${device}`)) throw new Refused(`there is no network port ${device}`);
  return device;
}

/** An address that one machine can have for itself: no zone, no loopback, multicast, link-local or IPv4-mapped one. Throws `Refused`. */
export function checkAddress(address: string): { address: string; family: 4 | 6 } {
  if (isIPv4(address)) {
    const [first = 0, second = 0] = address.split('.').map(Number);
    const isUsable = first >= 1 && first < 224 && first !== 127 && !(first === 169 && second === 254);
    if (!isUsable) throw new Refused('address is none that a machine can have for itself');
    return { address, family: 4 };
  }
  if (!isIPv6(address) || address.includes('%')) throw new Refused('address is not an IP address');
  // Canonical text, as the kernel's: the same address must not pass as another.
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const isUnspecifiedOrLoopback = canonical === '::' || canonical === '::1';
  const isMulticast = canonical.startsWith('ff');
  const isLinkLocal = /^fe[89ab][0-9a-f]:/.test(canonical);
  if (isUnspecifiedOrLoopback || isMulticast || isLinkLocal || canonical.startsWith('::ffff:'))
    throw new Refused('address is none that a machine can have for itself');
  return { address: canonical, family: 6 };
}

/** Where a route may lead: `default`, or a network without bits beyond its prefix. `family` undefined: of `default`, the gateway's. Throws `Refused`. */
export function checkDestination(destination: string): { destination: string; family: 4 | 6 | undefined } {
  if (destination === 'default') return { destination, family: undefined };
  const network = destination.includes('/') ? readNetwork(destination) : undefined;
  if (network === undefined || network.prefix === 0) throw new Refused('destination is neither a network nor default');
  checkAddress(network.address);
  return { destination: network.text, family: network.family };
}

/** An address of a neighbour; one that is link-local (IPv6) as well. Throws `Refused`. */
export function checkGateway(gateway: string): { gateway: string; family: 4 | 6; isLinkLocal: boolean } {
  if (isIPv6(gateway) && !gateway.includes('%')) {
    const canonical = new URL(`http://[${gateway}]/`).hostname.slice(1, -1);
    if (/^fe[89ab][0-9a-f]:/.test(canonical)) return { gateway: canonical, family: 6, isLinkLocal: true };
  }
  const { address, family } = checkAddress(gateway);
  return { gateway: address, family, isLinkLocal: false };
}

/** Throws `Refused`. */
export function checkMetric(metric: string): number {
  const number = /^\d{1,4}$/.test(metric) ? Number(metric) : 0;
  if (number < 1) throw new Refused('metric is not a whole number from 1 to 9999');
  return number;
}

/** Throws `Refused`. */
export function checkPrefix(prefix: string, family: 4 | 6): number {
  const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : NaN;
  const longest = family === 4 ? 32 : 128;
  if (!(bits >= WIDEST_PREFIX[family] && bits <= longest))
    throw new Refused(`prefix is not a whole number from ${WIDEST_PREFIX[family]} to ${longest}`);
  return bits;
}

/**
 * Until when the address may be held: `forever`, or an instant on this machine's boot clock in milliseconds. An instant and no duration, so that a request that lay
 * about, while base or the helper was stopped, does not give an address a new life. Gives what is left in whole seconds. Throws `Refused`.
 */
export function checkLife(until: string, nowMs: number): number | 'forever' {
  if (until === 'forever') return until;
  if (!/^\d{1,15}$/.test(until)) throw new Refused("until is neither 'forever' nor milliseconds of the boot clock");
  const leftMs = Number(until) - nowMs;
  if (leftMs > LIFE_MAX_MS) throw new Refused(`until is more than ${LIFE_MAX_MS / 1000} s away`);
  if (leftMs < 1_000) throw new Refused('until is less than a second away, or past');
  return Math.floor(leftMs / 1_000);
}

/** A name for this machine (RFC 1123), in small letters. Throws `Refused`. */
export function checkHostName(name: string): string {
  if (name.length > 64 || !name.split('.').every((label) => LABEL.test(label)))
    throw new Refused('name is not the name of a machine');
  return name;
}

/** Words with one space between them; none: an empty text. Throws `Refused`. */
export function checkWords(name: string, text: string, most: number): string[] {
  const words = text === '' ? [] : text.split(' ');
  if (words.length > most || words.includes('')) throw new Refused(`${name} has more than ${most} words, or empty ones`);
  return words;
}

/** An address of a name server: this machine's own loopback is fine, too. Throws `Refused`. */
export function checkServer(address: string): string {
  if (address === '::1' || (isIPv4(address) && address.startsWith('127.'))) return address;
  return checkAddress(address).address;
}

/** A domain to search in. Throws `Refused`. */
export function checkDomain(domain: string): string {
  if (domain.length > 253 || !domain.split('.').every((label) => DOMAIN_LABEL.test(label)))
    throw new Refused('search is not a list of domains');
  return domain;
}

/** The name of a hook. Throws `Refused`. */
export function checkHookName(name: string): string {
  if (!HOOK.test(name)) throw new Refused('name is not the name of a hook');
  return name;
}

/** Throws `Refused`. */
export function checkDirection(direction: string): string {
  if (direction !== 'here' && direction !== 'away') throw new Refused("direction is neither 'here' nor 'away'");
  return direction;
}
