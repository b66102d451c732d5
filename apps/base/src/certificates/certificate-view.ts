/** How certificates are shown: what is in them, how they are used, and what is wrong. */
import { X509Certificate } from 'node:crypto';
import {
  HANDED,
  SELF_MADE,
  type Certificate,
  type CertificateFacts,
  type CertificateUse,
  type CertificateWarning,
} from '@bascule/protocol/api/certificates.ts';
import { certificatesIn } from './certificate-chain.ts';
import { factsOf, isSelfSigned } from './certificate-facts.ts';
import type { CertificateRow } from './certificate-rows.ts';
import { warningsOf } from './certificate-warnings.ts';
import { describeRequest } from './signing-request.ts';

/** What decides how any of them is shown. */
export interface View {
  nowMs: number;
  publicHost: string;
  use: CertificateUse;
  /** The one that is served at the public host. */
  publicId: string;
  /** That ACME keeps, if it is on. */
  acmeId: string | null;
  acmeFailures: number;
  exportOf(sha256: string): { atMs: number; keyAtMs: number | null } | undefined;
}

/** One of the list, before it is shown. */
export interface Shown {
  id: string;
  source: Certificate['source'];
  /** PEM; null while it is awaited. */
  chain: string | null;
  hasKey: boolean;
  request: string | null;
  addedAtMs: number | null;
}

export function shownRow(row: CertificateRow): Shown {
  const { id, source, chain, privateKey, request, addedAtMs } = row;
  return { id, source, chain, hasKey: privateKey !== null, request, addedAtMs };
}

/** As the page shows it. */
export function certificateView(shown: Shown, view: View): Certificate {
  const { id, source, chain, hasKey, request, addedAtMs } = shown;
  const path = chain === null ? [] : certificatesIn(chain);
  const [own, ...rest] = path;
  const facts = own === undefined ? null : factsOf(own, rest);
  const left = facts === null ? undefined : view.exportOf(facts.sha256);
  const used = useOf(id, view);
  const inUse = used.isDefault || used.byName || used.addresses.length > 0 || used.forPublicHost;
  return {
    id,
    source,
    state: facts === null ? 'awaited' : hasKey ? 'ready' : 'no-key',
    facts,
    request: facts === null && request !== null ? { ...describeRequest(request), key: '' } : null,
    addedAtMs,
    used,
    inUse,
    warnings:
      facts === null
        ? [{ code: 'awaits-certificate', severity: 'note', params: {} }]
        : factWarnings(facts, path, { source, hasKey, renewsItself: isRenewed(shown, facts, view) }, view, id),
    lastExportAtMs: left?.atMs ?? null,
    lastKeyExportAtMs: left?.keyAtMs ?? null,
    mayDelete: id !== SELF_MADE && id !== HANDED && !inUse,
  };
}

/** Warnings of a certificate with its chain (own one first). */
export function factWarnings(
  facts: CertificateFacts,
  path: readonly X509Certificate[],
  own: { source: Shown['source']; hasKey: boolean; renewsItself: boolean },
  view: Pick<View, 'nowMs' | 'publicHost' | 'publicId' | 'acmeId' | 'acmeFailures'>,
  id: string,
): CertificateWarning[] {
  const links = path.slice(1).filter((one) => !isSelfSigned(one));
  return warningsOf(facts, {
    nowMs: view.nowMs,
    publicHost: view.publicHost,
    forPublicHost: id === view.publicId,
    chainSignatures: links.map((one) => one.signatureAlgorithm ?? ''),
    uses: path[0]?.keyUsage ?? [],
    failedRenewals: id === view.acmeId ? view.acmeFailures : 0,
    ...own,
  });
}

function useOf(id: string, { use, publicId }: View): Certificate['used'] {
  return {
    isDefault: use.default === id,
    byName: use.byName.includes(id) || id === HANDED,
    addresses: use.addresses.filter(({ certificate }) => certificate === id).map(({ address }) => address),
    forPublicHost: publicId === id,
  };
}

function isRenewed({ id, source }: Shown, facts: CertificateFacts, { acmeId }: View): boolean {
  return source === 'self-made' || (source === 'handed' && facts.isSelfSigned) || id === acmeId;
}
