import { isInNetwork, readNetwork, type IpNetwork } from '@bascule/core/ip-network.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { TlsSettings } from '@bascule/protocol/api/security.ts';
import { plainAddress } from '../network/network.ts';

/** The networks of a form in their usual text, each once. Throws `SECURITY_NETWORK_INVALID`. */
export function checkedNetworks(texts: readonly string[]): string[] {
  const read = texts.map((text, at) => {
    const network = readNetwork(text);
    if (network === undefined)
      throw new AppError(
        'invalid',
        'SECURITY_NETWORK_INVALID',
        `'${text}' is no network: 192.0.2.0/24, 2001:db8::/32 or one address is needed, without bits beyond the prefix.`,
        { field: `body.networks.${at}`, params: { network: text } },
      );
    return network.text;
  });
  return [...new Set(read)];
}

/** Whether /appliance answers `address`. No networks: everybody. The machine itself always, so that somebody at it is never locked out. */
export function isAnswered(networks: readonly IpNetwork[], address: string): boolean {
  if (networks.length === 0) return true;
  const plain = plainAddress(address);
  if (plain === '::1' || plain.startsWith('127.')) return true;
  return networks.some((network) => isInNetwork(network, plain));
}

/** Throws `TLS_CIPHERS_MISSING` for settings with which no browser could come in. */
export function checkTls({ minVersion, ciphers12, ciphers13 }: TlsSettings): void {
  if (ciphers13.length === 0) throw missing('ciphers13', 'TLS 1.3');
  if (minVersion === 'TLSv1.2' && ciphers12.length === 0) throw missing('ciphers12', 'TLS 1.2');
}

function missing(field: string, version: string): AppError {
  const message = `Choose at least one cipher of ${version}, or browsers that speak it cannot come in.`;
  return new AppError('invalid', 'TLS_CIPHERS_MISSING', message, { field: `body.${field}`, params: { version } });
}

/** Whether somebody who could come in with `before` might not with `after`. */
export function isStricter(before: TlsSettings, after: TlsSettings): boolean {
  if (after.minVersion === 'TLSv1.3' && before.minVersion === 'TLSv1.2') return true;
  const lost = (one: readonly string[], other: readonly string[]): boolean => one.some((name) => !other.includes(name));
  const has12 = before.minVersion === 'TLSv1.2';
  return (has12 && lost(before.ciphers12, after.ciphers12)) || lost(before.ciphers13, after.ciphers13);
}

/** As OpenSSL takes them: those of TLS 1.3 and of TLS 1.2 in one list. */
export function cipherList({ minVersion, ciphers12, ciphers13 }: TlsSettings): string {
  return [...ciphers13, ...(minVersion === 'TLSv1.2' ? ciphers12 : [])].join(':');
}
