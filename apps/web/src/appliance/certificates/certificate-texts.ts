import type { TFunction } from 'i18next';
import type { Certificate, CertificateUse, CertificatesState, CertificateWarning } from '@bascule/protocol/api/certificates.ts';
import type { Tone } from '../../shared/Section.tsx';
import { formatMinute } from '../../shared/format.ts';

export const WARNING_TONES: Record<CertificateWarning['severity'], Tone> = { bad: 'bad', warn: 'warn', note: 'off' };

/** What is wrong, in one sentence. */
export function warningText(t: TFunction, { code, params }: CertificateWarning): string {
  return t(`certificates:warning.${code}`, shown(params));
}

/** What to do about it. */
export function adviceText(t: TFunction, { code, params }: CertificateWarning): string {
  return t(`certificates:advice.${code}`, shown(params));
}

function shown(params: CertificateWarning['params']): Record<string, string | number> {
  const { atMs } = params;
  return typeof atMs === 'number' ? { ...params, at: formatMinute(atMs) } : params;
}

/** The name by which people know it. */
export function nameOf(certificate: Certificate): string {
  return certificate.facts?.issuedTo ?? certificate.request?.names[0] ?? certificate.id;
}

/** How certificates are used now, as a change of it starts from. */
export function useOf({ certificates, addresses }: CertificatesState): CertificateUse {
  return {
    default: certificates.find(({ used }) => used.isDefault)?.id ?? 'self-made',
    // What was handed over is used by name in any case.
    byName: certificates.filter(({ used, id }) => used.byName && id !== 'handed').map(({ id }) => id),
    addresses: addresses.flatMap(({ address, certificate }) => (certificate === null ? [] : [{ address, certificate }])),
  };
}

/** `EC P-256`, `RSA 2048`. */
export function keyText({ kind, bits, curve }: NonNullable<Certificate['facts']>['key']): string {
  const CURVES: Record<string, string> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };
  if (kind === 'ec') return `EC ${CURVES[curve ?? ''] ?? curve ?? ''}`;
  return kind === 'rsa' ? `RSA ${bits}` : kind === 'ed25519' ? 'Ed25519' : (curve ?? '?');
}
