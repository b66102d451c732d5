import { isIPv6 } from 'node:net';

/** An IPv6 address as RFC 5952 writes it (`::1`, not `0:0:0:0:0:0:0:1`), with its zone if it has one; anything else as it is. */
export function shortAddress(text: string): string {
  const [address = '', zone] = text.split('%', 2);
  if (!isIPv6(address)) return text;
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  return zone === undefined ? short : `${short}%${zone}`;
}
