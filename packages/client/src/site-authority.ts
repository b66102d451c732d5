import { X509Certificate } from 'node:crypto';

/** Certificates that lead from the authority in force to one before it, at most: more than a site sends. */
const CHAIN_MAX = 16;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** A is signed by the key of B, and B may sign certificates. Dates are not looked at. */
function isSignedBy(one: X509Certificate, by: X509Certificate): boolean {
  return by.ca && one.checkIssued(by) && one.verify(by.publicKey);
}

/** One authority, known under two certificates. */
function isSameAuthority(one: X509Certificate, other: X509Certificate): boolean {
  return one.ca && other.ca && one.subject === other.subject && one.publicKey.equals(other.publicKey);
}

/**
 * The authority (PEM) that takes the place of `present`, or undefined when `offered` is not its successor: PEM of the new authority, signed by itself, then of the
 * certificates that lead to it from the present one, each signed by the one before (wire 3.9). Only ever forward: it must begin later than the present one.
 */
export function followAuthority(present: string, offered: string): string | undefined {
  try {
    const [next, ...crosses] = (offered.match(PEM_BLOCK) ?? []).map((block) => new X509Certificate(block));
    if (next === undefined || crosses.length > CHAIN_MAX) return undefined;
    const trusted = new X509Certificate(present);
    if (!isSignedBy(next, next) || next.validFromDate <= trusted.validFromDate) return undefined;
    // From the newest back to the present one: each certificate is the authority below it, signed by the one before.
    let authority = next;
    for (const [index, cross] of crosses.entries()) {
      const signer = crosses[index + 1] ?? trusted;
      if (!isSameAuthority(cross, authority) || !isSignedBy(cross, signer)) return undefined;
      authority = signer;
    }
    return isSameAuthority(authority, trusted) ? next.toString() : undefined;
  } catch {
    return undefined;
  }
}

/** Codes of TLS that say nothing but that dates do not fit this machine's clock. */
const DATE_FAULTS = new Set(['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED']);

/**
 * Whether a chain that TLS turned down because of `fault` is faultless but for its dates: signed, link by link, up to `authority`, for a server named `serverName`. A
 * certificate that is not valid yet is always forgiven (this clock is slow: nobody gains by an early one), one that has ended only with `toleratesEnded`. TLS reports one
 * fault of several, so everything is verified again here.
 */
export function isOnlyDates(
  fault: string,
  chain: readonly X509Certificate[],
  check: { authority: string; serverName: string; toleratesEnded: boolean; nowMs: number },
): boolean {
  const [leaf] = chain;
  if (!DATE_FAULTS.has(fault) || leaf === undefined || chain.length > CHAIN_MAX) return false;
  const authority = new X509Certificate(check.authority);
  if (leaf.ca || leaf.checkHost(check.serverName) === undefined || leaf.keyUsage?.includes(SERVER_AUTH) !== true) return false;
  const path: X509Certificate[] = [leaf];
  for (const certificate of chain) {
    const last = path.at(-1)!;
    if (isSignedBy(last, authority)) break;
    if (certificate !== last && isSignedBy(last, certificate)) path.push(certificate);
  }
  if (!isSignedBy(path.at(-1)!, authority)) return false;
  return check.toleratesEnded || [...path, authority].every(({ validToDate }) => validToDate.getTime() > check.nowMs);
}
