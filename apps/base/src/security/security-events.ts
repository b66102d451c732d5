import { defineAuditEvent } from '@bascule/store/audit.ts';

export const tlsChanged = defineAuditEvent<{ minVersion: string; ciphers: string }>(
  'TLS_SETTINGS_CHANGED',
  'TLS with browsers: at least {minVersion}, ciphers {ciphers}',
);
export const bannerChanged = defineAuditEvent<{ characters: number }>(
  'LOGIN_BANNER_CHANGED',
  'Changed the login banner: it has {characters:character,characters} now',
);
export const rulesChanged = defineAuditEvent<{
  attempts: number;
  longestMinutes: number;
  minCharacters: number;
  history: number;
  expiryDays: number | null;
  secondFactorRequired: boolean;
}>(
  'ACCOUNT_RULES_CHANGED',
  'Rules for administrators of the appliance: locked after {attempts} failures for at most {longestMinutes} minutes, passwords of at least {minCharacters} characters, {history} former ones refused, changed after days: {expiryDays}, second factor required: {secondFactorRequired}',
);
export const networksChanged = defineAuditEvent<{ networks: string[] }>(
  'APPLIANCE_NETWORKS_CHANGED',
  'Networks from which /appliance answers (none: everywhere): {networks}',
);
