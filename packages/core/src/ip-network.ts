/** Arithmetic of IP addresses and networks, for programs that have nothing but Node. */
import { isIPv4, isIPv6 } from 'node:net';

/** A network, or one address with its full prefix. */
export interface IpNetwork {
  /** Of the family's usual text, without bits beyond the prefix: `192.0.2.0/24`, `2001:db8::/32`. */
  text: string;
  address: string;
  prefix: number;
  family: 4 | 6;
}

/** The address as a number. `address` is one that node:net takes for IPv4 or IPv6, without a zone; IPv6 in its short form as URL gives it. */
export function addressNumber(address: string): bigint {
  if (isIPv4(address)) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  const [head = '', tail] = shortForm(address).split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const left = groups(head);
  const right = groups(tail ?? '');
  const between = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...between, ...right].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

/** Reads `192.0.2.0/24`, `2001:db8::/32` or one address; undefined for what is none, or has bits beyond its prefix. */
export function readNetwork(text: string): IpNetwork | undefined {
  const [given = '', bits, ...rest] = text.trim().split('/');
  const family = isIPv4(given) ? 4 : isIPv6(given) && !given.includes('%') ? 6 : undefined;
  if (family === undefined || rest.length > 0) return undefined;
  const longest = family === 4 ? 32 : 128;
  const prefix = bits === undefined ? longest : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  if (prefix < 0 || prefix > longest) return undefined;
  const address = family === 4 ? given : shortForm(given);
  if (BigInt.asUintN(longest - prefix, addressNumber(address)) !== 0n) return undefined;
  return { text: `${address}/${prefix}`, address, prefix, family };
}

/** Whether `address` (without a zone; IPv4 not behind ::ffff:) is inside. */
export function isInNetwork({ address: first, prefix, family }: Omit<IpNetwork, 'text'>, address: string): boolean {
  if (family !== (isIPv4(address) ? 4 : isIPv6(address) ? 6 : 0)) return false;
  const beyond = BigInt((family === 4 ? 32 : 128) - prefix);
  return addressNumber(first) >> beyond === addressNumber(address) >> beyond;
}

function shortForm(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
