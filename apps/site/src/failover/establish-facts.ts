import type { EstablishFacts } from '@bascule/protocol/pair-establish.ts';
import { PAIR_VERSIONS } from '@bascule/protocol/pair-link.ts';
import type { EstablishingOptions } from './establish-contract.ts';
import { readUnfinished } from './establish-store.ts';

/** What this appliance says of itself to whoever has the same pre-shared key. */
export async function ownFacts({ facts, certificate, store }: EstablishingOptions): Promise<EstablishFacts> {
  const [unfinished] = readUnfinished(store);
  return {
    ...(await facts()),
    pairVersions: [...PAIR_VERSIONS],
    pending: unfinished?.id ?? null,
    certificateNames: await certificate.names().catch(() => []),
  };
}
