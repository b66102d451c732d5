import { defineAuditEvent } from '@bascule/store/audit.ts';

/** What looking for, bringing and accepting updates writes into the audit of the box. Codes are permanent. */
export const updateSettingsChanged = defineAuditEvent<{ changes: string }>(
  'UPDATE_SETTINGS_CHANGED',
  'Changed update settings: {changes}',
);
export const updateTrustConfirmed = defineAuditEvent<{ rootSha256: string; rootVersion: number; source: string }>(
  'UPDATE_TRUST_CONFIRMED',
  'Confirmed the update root {rootSha256} (version {rootVersion}) of {source}',
);
export const updatesChecked = defineAuditEvent<{ source: string; outcome: string }>(
  'UPDATES_CHECKED',
  'Looked for updates at {source}: {outcome}',
  { housekeeping: true },
);
export const eulaAccepted = defineAuditEvent<{ name: string; target: string; sha256: string }>(
  'EULA_ACCEPTED',
  '{name} accepted the licence agreement {sha256} of {target}',
);
export const downloadKeyMade = defineAuditEvent<{ nonce: string; expiresAtMs: number }>(
  'DOWNLOAD_KEY_MADE',
  'Made an appliance download key',
);
export const uploadStarted = defineAuditEvent<{ name: string; totalBytes: number }>(
  'UPDATE_UPLOAD_STARTED',
  'Began to upload {name} ({totalBytes} bytes)',
);
export const uploadRemoved = defineAuditEvent<{ name: string }>('UPDATE_UPLOAD_REMOVED', 'Removed the upload {name}');
export const updateFileImported = defineAuditEvent<{ name: string; keyNonce: string; targets: string }>(
  'UPDATE_FILE_IMPORTED',
  'Imported {name} with {targets}',
);
export const updateFileRefused = defineAuditEvent<{ name: string; code: string; reason: string }>(
  'UPDATE_FILE_REFUSED',
  'Refused the file {name}: {reason}',
);
