import { isIPv4, isIPv6 } from 'node:net';
import { AppError } from '@bascule/errors/app-error.ts';

/** The narrowest networks that an address may open; the helper refuses the same (docs/spec/boot.md, 5.4). */
const WIDEST_PREFIX = { 4: 8, 6: 16 } as const;

/** An address as it is compared: without a zone, IPv6 in its short form, IPv4 behind ::ffff: as IPv4. Empty for what is no address. */
export function plainAddress(address: string): string {
  const [text = ''] = address.split('%');
  const mapped = text.toLowerCase().startsWith('::ffff:') ? text.slice('::ffff:'.length) : text;
  if (isIPv4(mapped)) return mapped;
  return isIPv6(text) ? new URL(`http://[${text}]/`).hostname.slice(1, -1) : '';
}

/** The address of a form as it is kept. Throws `IP_ADDRESS_INVALID`, `IP_PREFIX_INVALID` for what a machine cannot have for itself. */
export function checkedAddress(address: string, prefix: number): string {
  const plain = address.includes('%') ? '' : plainAddress(address.trim());
  if (plain === '' || isReserved(plain))
    throw new AppError(
      'invalid',
      'IP_ADDRESS_INVALID',
      'An address of this machine is needed, such as 192.0.2.10 or 2001:db8::10.',
      {
        field: 'body.address',
      },
    );
  const family = isIPv4(plain) ? 4 : 6;
  const longest = family === 4 ? 32 : 128;
  if (prefix < WIDEST_PREFIX[family] || prefix > longest)
    throw new AppError(
      'invalid',
      'IP_PREFIX_INVALID',
      `The subnet mask must leave ${WIDEST_PREFIX[family]} to ${longest} bits for the network.`,
      { field: 'body.prefix', params: { least: WIDEST_PREFIX[family], most: longest } },
    );
  return plain;
}

function isReserved(address: string): boolean {
  if (isIPv4(address)) {
    const [first = 0, second = 0] = address.split('.').map(Number);
    return first === 0 || first === 127 || first >= 224 || (first === 169 && second === 254);
  }
  return address === '::' || address === '::1' || address.startsWith('ff') || /^fe[89ab]/.test(address);
}
