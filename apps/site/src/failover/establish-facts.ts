import type { EstablishFacts } from '@bascule/protocol/pair-establish.ts';
import { PAIR_VERSIONS } from '@bascule/protocol/pair-link.ts';
import type { EstablishingOptions } from './establish-contract.ts';

/** What this appliance says of itself to whoever has the same pre-shared key. */
export async function ownFacts({ facts, certificate }: EstablishingOptions): Promise<EstablishFacts> {
  return {
    ...(await facts()),
    pairVersions: [...PAIR_VERSIONS],
    certificateNames: await certificate.names().catch(() => []),
  };
}
