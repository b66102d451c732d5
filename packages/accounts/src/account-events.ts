import { defineAuditEvent } from '@bascule/store/audit.ts';

type Who = { account: string; name: string };

export const created = defineAuditEvent<Who & { role: string }>('ACCOUNT_CREATED', 'Created {role} {name}', {
  waitsForPeer: true,
});
export const changed = defineAuditEvent<Who & { role: string; disabled: boolean }>(
  'ACCOUNT_CHANGED',
  'Changed account {name}: {role}, disabled: {disabled}',
  { waitsForPeer: true },
);
export const ownChanged = defineAuditEvent<Who>('ACCOUNT_OWN_CHANGED', '{name} changed their own name or language');
export const unlocked = defineAuditEvent<Who>('ACCOUNT_UNLOCKED', 'Unlocked account {name}', { waitsForPeer: true });
export const passwordReset = defineAuditEvent<Who>('ACCOUNT_PASSWORD_RESET', 'Gave {name} a one-time password', {
  waitsForPeer: true,
});
export const passwordChanged = defineAuditEvent<Who>('ACCOUNT_PASSWORD_CHANGED', '{name} changed their password', {
  waitsForPeer: true,
});
export const secondFactorReset = defineAuditEvent<Who>('ACCOUNT_SECOND_FACTOR_RESET', 'Removed every second factor of {name}', {
  waitsForPeer: true,
});
export const loggedIn = defineAuditEvent<Who & { loginSession: string; by: string }>(
  'ACCOUNT_LOGGED_IN',
  '{name} logged in with {by}',
  { waitsForPeer: true },
);
export const secondFactorPassed = defineAuditEvent<Who & { loginSession: string; by: string }>(
  'ACCOUNT_SECOND_FACTOR_PASSED',
  '{name} gave the second factor ({by})',
  { waitsForPeer: true },
);
export const secondFactorUnreadable = defineAuditEvent<Who>(
  'ACCOUNT_SECOND_FACTOR_UNREADABLE',
  'Refused the login of {name}: the second factor does not open with the vault keys that are here. Restore the vault key, or reset the second factor',
);
export const loginFailed = defineAuditEvent<{ account: string | null; name: string; reason: string }>(
  'ACCOUNT_LOGIN_FAILED',
  'A login as {name} failed: {reason}',
);
export const locked = defineAuditEvent<Who & { failures: number; seconds: number }>(
  'ACCOUNT_LOCKED',
  'Locked account {name} for {seconds} s after {failures} failures',
  { waitsForPeer: true },
);
export const loginSessionsEnded = defineAuditEvent<Who & { loginSessions: string[]; reason: string }>(
  'ACCOUNT_LOGIN_SESSIONS_ENDED',
  'Ended login sessions of {name}: {reason}',
  { waitsForPeer: true },
);
export const loginSessionsExpired = defineAuditEvent<{ count: number }>(
  'ACCOUNT_LOGIN_SESSIONS_EXPIRED',
  '{count:login session,login sessions} reached the limit',
);
export const seenNoted = defineAuditEvent<{ count: number }>(
  'ACCOUNT_SEEN_NOTED',
  'Noted the last-seen times of {count:login session,login sessions}',
  { housekeeping: true },
);
export const totpSet = defineAuditEvent<Who>('ACCOUNT_TOTP_SET', '{name} set up one-time codes as second factor', {
  waitsForPeer: true,
});
export const totpRemoved = defineAuditEvent<Who>('ACCOUNT_TOTP_REMOVED', '{name} removed one-time codes as second factor', {
  waitsForPeer: true,
});
export const passkeyAdded = defineAuditEvent<Who & { passkey: string }>(
  'ACCOUNT_PASSKEY_ADDED',
  '{name} added the passkey {passkey}',
  { waitsForPeer: true },
);
export const passkeyRemoved = defineAuditEvent<Who & { passkey: string }>(
  'ACCOUNT_PASSKEY_REMOVED',
  '{name} removed the passkey {passkey}',
  { waitsForPeer: true },
);
export const accessRefused = defineAuditEvent<{ action: string; what: string; since: number }>(
  'ACCESS_REFUSED',
  'Refused {what}: the action {action} is not allowed',
);
