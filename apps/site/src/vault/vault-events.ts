import { defineAuditEvent } from '@bascule/store/audit.ts';

export const rotationBegun = defineAuditEvent<{ from: string; secrets: number }>(
  'VAULT_ROTATION_BEGUN',
  'Began to replace the vault key {from}, which wraps {secrets:secret,secrets}',
  { waitsForPeer: true },
);
export const rotationCancelled = defineAuditEvent<{ from: string }>(
  'VAULT_ROTATION_CANCELLED',
  'Gave up the rotation of the vault key: {from} stays',
  { waitsForPeer: true },
);
export const keyInUse = defineAuditEvent<{ from: string; to: string }>(
  'VAULT_KEY_IN_USE',
  'New secrets are wrapped with the vault key {to}, no more with {from}',
  { waitsForPeer: true },
);
export const rewrapped = defineAuditEvent<{ kind: string; count: number }>(
  'VAULT_SECRETS_REWRAPPED',
  'Wrapped {count:secret,secrets} of the kind {kind} with the vault key of now',
  { housekeeping: true },
);
export const allRewrapped = defineAuditEvent<{ secrets: number; unreadable: number }>(
  'VAULT_ALL_REWRAPPED',
  'All secrets that can be read ({secrets}) are wrapped with the vault key of now; {unreadable} cannot be read',
);
export const rotated = defineAuditEvent<{ to: string; dropped: string[]; secrets: number }>(
  'VAULT_ROTATED',
  'Rotated the vault key: {secrets:secret,secrets} moved to {to}, and the former keys {dropped} were dropped',
  { waitsForPeer: true },
);
export const downloaded = defineAuditEvent<{ keys: string[] }>(
  'VAULT_KEY_DOWNLOADED',
  'Downloaded the vault key (keys {keys}), protected by a password',
  { waitsForPeer: true },
);
export const restored = defineAuditEvent<{ keys: string[]; readable: number; appliance: string }>(
  'VAULT_KEY_RESTORED',
  'Restored vault keys of {appliance} (keys {keys}): {readable:secret becomes,secrets become} readable',
  { waitsForPeer: true },
);
export const restoreRefused = defineAuditEvent<{ reason: string }>(
  'VAULT_KEY_RESTORE_REFUSED',
  'A vault key file was refused: {reason}',
);
export const unreadableFound = defineAuditEvent<{ secrets: number; examples: string }>(
  'VAULT_SECRETS_UNREADABLE',
  '{secrets:secret does,secrets do} not open with the vault keys that are here ({examples}): restore the vault key, or enter them anew',
  { waitsForPeer: true },
);
export const readableAgain = defineAuditEvent('VAULT_SECRETS_READABLE', 'All secrets open with the vault keys that are here');
