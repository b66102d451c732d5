import { plannedChange, type Losses, type PlannedChange } from '@bascule/protocol/losses.ts';
import type { ReadCertificate } from './read-certificate.ts';

export type ChangeKind = PlannedChange['kind'];
export const CHANGE_KINDS: readonly ChangeKind[] = ['certificate', 'host-name', 'identity', 'package'];

/** What somebody has entered so far about the change that is planned. */
export interface ChangeDraft {
  kind: ChangeKind;
  certificate: ReadCertificate | undefined;
  isPubliclyTrusted: boolean;
  host: string;
  port: number;
  keepsOldName: boolean;
  version: string;
}

export const FIRST_CHANGE: ChangeDraft = {
  kind: 'certificate',
  certificate: undefined,
  isPubliclyTrusted: true,
  host: '',
  port: 443,
  keepsOldName: false,
  version: '',
};
export const PORT_LIMITS = { min: 1, max: 65_535 } as const;

/** The change as the site takes it; undefined while something is missing or not valid. */
export function changeOf(draft: ChangeDraft): PlannedChange | undefined {
  const { kind, certificate, isPubliclyTrusted, port, keepsOldName } = draft;
  const host = draft.host.trim().toLowerCase();
  const version = draft.version.trim();
  if (kind === 'certificate' && certificate === undefined) return undefined;
  if (kind === 'host-name' && host === '') return undefined;
  const { isSelfSigned = true, ...facts } = certificate ?? {};
  const entered = { kind, ...facts, isPubliclyTrusted: isPubliclyTrusted && !isSelfSigned, host, port, keepsOldName, version };
  return plannedChange.safeParse(entered).data;
}

/** The worst first, then by what it is and by name. */
export function worstFirst(list: Losses['list']): Losses['list'] {
  return list.toSorted(
    (a, b) =>
      Number(a.severity === 'trouble') - Number(b.severity === 'trouble') ||
      a.what.localeCompare(b.what) ||
      a.name.localeCompare(b.name, undefined, { numeric: true }),
  );
}

/** A fingerprint in groups of four, to be compared by eye. */
export function grouped(fingerprint: string): string {
  return fingerprint.replace(/(.{4})(?=.)/g, '$1 ');
}
