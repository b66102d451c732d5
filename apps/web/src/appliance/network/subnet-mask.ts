/** Subnet masks as people write them, and as prefixes. */

const MASK = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
const IPV4_BITS = 32;
const IPV6_BITS = 128;

export function isIpv6(address: string): boolean {
  return address.includes(':');
}

/** `255.255.255.0` of 24; for IPv6, which has no masks, `/64`. */
export function maskText(prefix: number, address: string): string {
  if (isIpv6(address)) return `/${prefix}`;
  return [0, 8, 16, 24].map((from) => 256 - 2 ** (8 - Math.min(8, Math.max(0, prefix - from)))).join('.');
}

/** Reads `255.255.255.0`, `24` or `/24`; undefined for what is no mask. */
export function readMask(text: string, address: string): number | undefined {
  const plain = text.trim().replace(/^\//, '');
  const longest = isIpv6(address) ? IPV6_BITS : IPV4_BITS;
  if (/^\d{1,3}$/.test(plain)) return Number(plain) >= 1 && Number(plain) <= longest ? Number(plain) : undefined;
  const parts = MASK.exec(plain)?.slice(1).map(Number);
  if (parts === undefined || isIpv6(address) || parts.some((part) => part > 255)) return undefined;
  const bits = parts.map((part) => part.toString(2).padStart(8, '0')).join('');
  const prefix = bits.indexOf('0') === -1 ? IPV4_BITS : bits.indexOf('0');
  return prefix >= 1 && !bits.includes('01') ? prefix : undefined;
}
