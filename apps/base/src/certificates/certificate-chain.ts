import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import { CHAIN_LINKS_MAX } from '@bascule/protocol/api/certificates.ts';
import { isSelfSigned, keySha256 } from './certificate-facts.ts';

/** A certificate, what leads from it to its authority, and what does not belong to it. */
export interface OrderedChain {
  own: X509Certificate;
  chain: X509Certificate[];
  leftOut: X509Certificate[];
  /** They lay in this order already. */
  wasInOrder: boolean;
}

/**
 * Puts certificates that lie in any order into that of a chain. `key` says which of them is the own one; without it, it is the one that has signed no other. Each link is
 * verified by its signature. Throws `CERTIFICATE_NONE`, `CERTIFICATE_SEVERAL`, `CERTIFICATE_KEY_OTHER`, `CERTIFICATE_CHAIN_CIRCULAR`, `CERTIFICATE_CHAIN_LONG`.
 */
export function orderChain(given: readonly X509Certificate[], key?: KeyObject): OrderedChain {
  const all = given.filter((one, at) => given.findIndex((other) => other.fingerprint256 === one.fingerprint256) === at);
  const own = findOwn(all, key);
  const rest = all.filter((one) => one !== own);
  const chain: X509Certificate[] = [];
  let last = own;
  while (!isSelfSigned(last)) {
    const signers = all.filter((one) => hasSigned(one, last));
    const next = signers.find((one) => one !== own && !chain.includes(one));
    if (next === undefined) {
      if (signers.length > 0) throw circular();
      break;
    }
    chain.push(next);
    last = next;
    if (chain.length > CHAIN_LINKS_MAX)
      throw new AppError('invalid', 'CERTIFICATE_CHAIN_LONG', `The chain has more than ${CHAIN_LINKS_MAX} links.`, {
        params: { most: CHAIN_LINKS_MAX },
      });
  }
  const wasInOrder = [own, ...chain].every((one, at) => given[at] === one);
  return { own, chain, leftOut: rest.filter((one) => !chain.includes(one)), wasInOrder };
}

/** Whether `one` has signed `other`, by name and by signature. */
function hasSigned(one: X509Certificate, other: X509Certificate): boolean {
  return other.checkIssued(one) && other.verify(one.publicKey);
}

function findOwn(all: readonly X509Certificate[], key: KeyObject | undefined): X509Certificate {
  if (all.length === 0)
    throw new AppError(
      'invalid',
      'CERTIFICATE_NONE',
      'There is no certificate in these files: choose the one that the authority sent.',
    );
  if (key !== undefined) {
    const matching = all.filter((one) => one.checkPrivateKey(key)).toSorted(newestFirst);
    if (matching[0] !== undefined) return matching[0];
    throw new AppError(
      'invalid',
      'CERTIFICATE_KEY_OTHER',
      'The private key belongs to another certificate: choose the key with which the certificate was asked for.',
    );
  }
  const ends = all.filter((one) => !all.some((other) => other !== one && hasSigned(one, other)));
  // Each has signed another one: they go round.
  if (ends.length === 0) throw circular();
  const [own, ...others] = ends.length > 1 ? ends.filter((one) => !one.ca) : ends;
  if (own !== undefined && others.length === 0) return own;
  throw new AppError(
    'invalid',
    'CERTIFICATE_SEVERAL',
    'These files hold several certificates that do not belong to one chain: import them one after the other, or with the key.',
  );
}

const newestFirst = (a: X509Certificate, b: X509Certificate) => b.validToDate.getTime() - a.validToDate.getTime();

function circular(): AppError {
  return new AppError(
    'invalid',
    'CERTIFICATE_CHAIN_CIRCULAR',
    'The chain is circular: its certificates have signed each other, and it leads to no authority. Ask the authority for the right chain.',
  );
}

/** The chain as PEM, the own certificate first: what is served, stored and handed over. */
export function chainPem({ own, chain }: Pick<OrderedChain, 'own' | 'chain'>): string {
  return [own, ...chain].map((one) => one.toString()).join('');
}

/** Every certificate of a PEM text. Throws what Node says of one that cannot be read. */
export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/** SHA-256 (hex) of the public half of a private key in PEM. */
export function publicSha256(privateKeyPem: string): string {
  return keySha256(createPublicKey(privateKeyPem));
}
