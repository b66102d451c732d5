import type { z } from 'zod';
import type { vouched } from '@bascule/protocol/api/console.ts';

/** Certificates in one answer: the contract's limit. */
const CHAIN_MAX = 16;

/** What is needed of the site identity (class SiteIdentity). */
export interface VouchingIdentity {
  readonly certificatePem: string;
  readonly former: readonly { crossPem: string | null }[];
  sign(bytes: Uint8Array): Uint8Array;
}

/**
 * The site identity's word that the web key with `webKeyPin` (base64 of the SHA-256 of its SPKI) is the site's, for the one who made `nonce`. The chain leads from every
 * former identity that a console may know to the one that signs. Whoever stands between gains nothing by asking: the answer names the site's key, never theirs.
 */
export function vouchFor(webKeyPin: string, nonce: string, identity: VouchingIdentity): z.infer<typeof vouched> {
  const keySha256 = Buffer.from(webKeyPin.replace(/^sha256\/\//, ''), 'base64').toString('hex');
  const signature = identity.sign(Buffer.from(`bascule-vouch/1\n${nonce}\n${keySha256}`));
  const crosses = identity.former.flatMap(({ crossPem }) => crossPem ?? []);
  return {
    keySha256,
    signature: Buffer.from(signature).toString('base64'),
    chain: [identity.certificatePem, ...crosses].slice(0, CHAIN_MAX),
  };
}
