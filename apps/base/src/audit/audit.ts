import { defineAuditEvent } from '@bascule/store/audit.ts';

/** What base itself writes into the audit of the box. Codes are permanent. */
export const applianceStarted = defineAuditEvent<{ version: string; address: string }>(
  'APPLIANCE_STARTED',
  'Base {version} started on {address}',
);
export const applianceStopped = defineAuditEvent<{ version: string }>('APPLIANCE_STOPPED', 'Base {version} stopped');
/** To the site, which hands it to the other appliance of a pair, sealed (docs/spec/pair.md, 4.6). */
export const webKeyGiven = defineAuditEvent<{ host: string }>(
  'WEB_KEY_GIVEN',
  'The site was given the web key for {host}, to hand it to the other appliance',
);
/** Passwords and private keys of the box, in clear: they go into a backup with a password. */
export const boxSecretsGiven = defineAuditEvent<Record<never, never>>(
  'BOX_SECRETS_GIVEN',
  'The site was given the settings of the box with their passwords and private keys, for a backup with a password',
);
export const webCertificateChanged = defineAuditEvent<{ issuedTo: string; sha256: string; notAfterMs: number }>(
  'WEB_CERTIFICATE_CHANGED',
  'The web certificate is now the one for {issuedTo} with SHA-256 {sha256}',
);
