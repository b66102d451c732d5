import type { CertificateFacts, CertificateWarning } from '@bascule/protocol/api/certificates.ts';
import { fit } from './certificate-facts.ts';

export const RSA_MIN_BITS = 2048;
export const EC_MIN_BITS = 256;
/** Warned from then on, when a person has to do something. */
export const EXPIRES_SOON_DAYS = 30;
/** One that renews itself should have done so long before; later for the short-lived, by their life. */
export const RENEWED_SOON_DAYS = 10;
const RENEWED_SOON_PART = 1 / 6;
const DAY_MS = 24 * 60 * 60 * 1000;
const WEAK_SIGNATURE = /(md[245]|sha-?1(with|$)|with-?sha-?1$)/i;

/** What decides beside the certificate itself. */
export interface WarningView {
  nowMs: number;
  publicHost: string;
  /** It is what people get at the public host name. */
  forPublicHost: boolean;
  hasKey: boolean;
  source: 'self-made' | 'handed' | 'imported' | 'request' | 'acme';
  /** The appliance renews it by itself. */
  renewsItself: boolean;
  /** Signatures of the chain's own links, without the root's, which nobody looks at. */
  chainSignatures: readonly string[];
  /** Extended key usage, as OIDs; empty: for everything. */
  uses: readonly string[];
  /** Its renewal has failed so often in a row. */
  failedRenewals: number;
}

type Add = (
  severity: CertificateWarning['severity'],
  code: CertificateWarning['code'],
  params?: CertificateWarning['params'],
) => void;

/** What is wrong with a certificate, or soon will be, the worst first (B200). */
export function warningsOf(facts: CertificateFacts, view: WarningView): CertificateWarning[] {
  const found: CertificateWarning[] = [];
  const add: Add = (severity, code, params = {}) => void found.push({ severity, code, params });
  if (!view.hasKey) add('bad', 'key-missing');
  timeWarnings(facts, view, add);
  nameWarnings(facts, view, add);
  chainWarnings(facts, view, add);
  strengthWarnings(facts, view, add);
  if (view.failedRenewals > 0) add('warn', 'acme-failing', { failures: view.failedRenewals });
  const order = ['bad', 'warn', 'note'];
  return found.toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

function timeWarnings({ notBeforeMs, notAfterMs, chain }: CertificateFacts, view: WarningView, add: Add): void {
  const { nowMs, renewsItself } = view;
  const leftMs = notAfterMs - nowMs;
  const soonMs = renewsItself
    ? Math.min(RENEWED_SOON_DAYS * DAY_MS, (notAfterMs - notBeforeMs) * RENEWED_SOON_PART)
    : EXPIRES_SOON_DAYS * DAY_MS;
  if (leftMs <= 0) add('bad', 'expired', { days: Math.floor(-leftMs / DAY_MS), atMs: notAfterMs });
  else if (leftMs <= soonMs) add('warn', 'expires-soon', { days: Math.floor(leftMs / DAY_MS), atMs: notAfterMs });
  if (notBeforeMs > nowMs) add('bad', 'not-yet-valid', { atMs: notBeforeMs });
  const ended = chain.find((link) => link.notAfterMs <= nowMs && !link.isRoot);
  if (ended !== undefined) add('bad', 'chain-expired', { name: ended.issuedTo, atMs: ended.notAfterMs });
}

function nameWarnings({ names }: CertificateFacts, { publicHost, forPublicHost }: WarningView, add: Add): void {
  if (fit(names, publicHost) > 0) return;
  add(forPublicHost ? 'bad' : 'note', 'name-mismatch', { host: publicHost, names: names.slice(0, 5).join(', ') });
}

function chainWarnings(facts: CertificateFacts, { source }: WarningView, add: Add): void {
  if (facts.isPubliclyTrusted) return;
  if (facts.isSelfSigned)
    return add('note', source === 'self-made' || source === 'handed' ? 'self-made' : 'unknown-authority', {
      name: facts.issuedBy,
    });
  const top = facts.chain.at(-1);
  if (top?.isRoot === true) return add('note', 'unknown-authority', { name: top.issuedTo });
  add('warn', 'chain-incomplete', { name: top?.issuedBy ?? facts.issuedBy });
}

function strengthWarnings({ key, signature, isSelfSigned }: CertificateFacts, view: WarningView, add: Add): void {
  const least = key.kind === 'rsa' ? RSA_MIN_BITS : key.kind === 'ec' ? EC_MIN_BITS : 0;
  if (key.bits < least || key.kind === 'other') add('bad', 'weak-key', { kind: key.kind.toUpperCase(), bits: key.bits, least });
  const weak = [...(isSelfSigned ? [] : [signature]), ...view.chainSignatures].find((one) => WEAK_SIGNATURE.test(one));
  if (weak !== undefined) add('bad', 'weak-signature', { signature: weak });
  const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
  if (view.uses.length > 0 && !view.uses.includes(SERVER_AUTH)) add('bad', 'no-server-use');
}
