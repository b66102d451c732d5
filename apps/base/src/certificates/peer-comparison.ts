import type { PairComparison, ServedNames } from '@bascule/protocol/api/certificates.ts';
import { factsOf, fit } from './certificate-facts.ts';
import { certificatesIn } from './certificate-chain.ts';
import type { WebCertificate } from './web-certificate.ts';

type Served = ServedNames['served'][number];

/** What is served for each of `names`. */
export function servedFor(publicHost: string, names: readonly string[], choose: (name: string) => WebCertificate): ServedNames {
  return {
    publicHost,
    served: names.map((name) => {
      const [own, ...chain] = certificatesIn(choose(name).cert);
      if (own === undefined) throw new Error('bug: a certificate that is none is served');
      const facts = factsOf(own, chain);
      const { issuedTo, issuedBy, sha256, key, notAfterMs, isPubliclyTrusted } = facts;
      return {
        name,
        issuedTo: issuedTo.slice(0, 500),
        issuedBy: issuedBy.slice(0, 500),
        sha256,
        keySha256: key.sha256,
        notAfterMs,
        covers: fit(facts.names, name) > 0,
        isPubliclyTrusted,
      };
    }),
  };
}

/** What happens to each name when the other appliance serves it after a takeover. */
export function compareServed(here: readonly Served[], there: readonly Served[], nowMs: number): PairComparison['names'] {
  return here.map((own) => {
    const other = there.find(({ name }) => name === own.name);
    return {
      name: own.name,
      here: sideOf(own),
      there: other === undefined ? null : sideOf(other),
      verdict: verdictOf(own, other, nowMs),
    };
  });
}

const sideOf = ({ issuedTo, sha256, notAfterMs }: Served) => ({ issuedTo, sha256, notAfterMs });

function verdictOf(here: Served, there: Served | undefined, nowMs: number): PairComparison['names'][number]['verdict'] {
  if (there === undefined) return 'unknown-there';
  if (there.notAfterMs <= nowMs) return 'expired-there';
  if (here.covers && !there.covers) return 'not-covered-there';
  if (there.sha256 === here.sha256) return 'same';
  return there.keySha256 === here.keySha256 ? 'same-key' : 'other-key';
}
