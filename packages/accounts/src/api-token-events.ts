import { defineAuditEvent } from '@bascule/store/audit.ts';

type Which = { account: string; name: string; token: string; tokenName: string };

export const created = defineAuditEvent<Which & { scopes: string[]; expiresAtMs: number }>(
  'API_TOKEN_CREATED',
  '{name} made the API token {tokenName}',
  { waitsForPeer: true },
);
export const revoked = defineAuditEvent<Which>('API_TOKEN_REVOKED', '{name} revoked the API token {tokenName}', {
  waitsForPeer: true,
});
export const refused = defineAuditEvent<{ since: number }>(
  'API_TOKEN_REFUSED',
  'Refused an API token that is unknown, expired or revoked',
);
export const usedNoted = defineAuditEvent<{ count: number }>(
  'API_TOKEN_USE_NOTED',
  'Noted the last use of {count:API token,API tokens}',
  { housekeeping: true },
);
