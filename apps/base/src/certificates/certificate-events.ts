import { defineAuditEvent } from '@bascule/store/audit.ts';

/** What happens to certificates, in the audit of the box. Codes are permanent. */
export const certificateImported = defineAuditEvent<{ issuedTo: string; sha256: string; key: string }>(
  'CERTIFICATE_IMPORTED',
  'Imported the certificate for {issuedTo} with SHA-256 {sha256} (private key: {key})',
);
export const certificateRequested = defineAuditEvent<{ names: string; keySha256: string }>(
  'CERTIFICATE_REQUEST_MADE',
  'Made a key and a certificate request for {names} (public key SHA-256 {keySha256})',
);
export const certificateExported = defineAuditEvent<{ issuedTo: string; sha256: string; parts: string; format: string }>(
  'CERTIFICATE_EXPORTED',
  'Exported {parts} of the certificate for {issuedTo} with SHA-256 {sha256} as {format}',
);
export const certificateRemoved = defineAuditEvent<{ issuedTo: string; sha256: string }>(
  'CERTIFICATE_REMOVED',
  'Deleted the certificate for {issuedTo} with SHA-256 {sha256}, and its key',
);
export const certificateUseChanged = defineAuditEvent<{ changes: string }>(
  'CERTIFICATE_USE_CHANGED',
  'Changed which certificates are used: {changes}',
);
export const acmeSettingsChanged = defineAuditEvent<{ state: string; directoryUrl: string; names: string; changes: string }>(
  'ACME_SETTINGS_CHANGED',
  'Automatic certificates (ACME) are {state}: {names} from {directoryUrl}; changed: {changes}',
);
export const acmeOrdered = defineAuditEvent<{ names: string }>(
  'ACME_ORDERED',
  'Asked for a certificate by ACME now, for {names}',
);
export const acmeAccountMade = defineAuditEvent<{ directoryUrl: string }>(
  'ACME_ACCOUNT_MADE',
  'Made a key for an ACME account at {directoryUrl}',
  { housekeeping: true },
);
export const acmeObtained = defineAuditEvent<{ issuedTo: string; sha256: string; notAfterMs: number }>(
  'ACME_OBTAINED',
  'Got the certificate for {issuedTo} with SHA-256 {sha256} by ACME',
);
export const acmeFailed = defineAuditEvent<{ text: string; failures: number }>(
  'ACME_FAILED',
  'ACME failed, {failures:time,times} in a row: {text}',
);
export const expiryTold = defineAuditEvent<{ issuedTo: string; sha256: string; days: number }>(
  'CERTIFICATE_EXPIRY_TOLD',
  'Told people that the certificate for {issuedTo} ends in {days:day,days}',
  { housekeeping: true },
);
export const certificateSettingsImported = defineAuditEvent<{ count: number }>(
  'CERTIFICATE_SETTINGS_IMPORTED',
  'Imported the settings of certificates, with {count:certificate,certificates}',
);
