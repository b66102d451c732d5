import type { ApiScope } from '@bascule/protocol/api/failover.ts';

/** Everything that may be asked of policy: a closed list. `user`: every user who is logged in; `administrator`: administrators only. */
export const ACTIONS = {
  'account.own': 'user',
  'api-tokens.own': 'administrator',
  'users.manage': 'administrator',
  'status.read': 'user',
  'events.read': 'user',
  'audit.read': 'administrator',
  'settings.read': 'administrator',
  'settings.change': 'administrator',
  'email.read': 'administrator',
  'email.change': 'administrator',
  'jump-items.list': 'user',
  'jump-items.jump': 'user',
  'jump-items.manage': 'administrator',
  'jump-groups.list': 'user',
  'jump-groups.manage': 'administrator',
  'installer-tokens.manage': 'administrator',
  'installers.manage': 'administrator',
  'downloads.list': 'user',
  'fleet.read': 'administrator',
  'fleet.manage': 'administrator',
  'fleet.read-own': 'user',
  'identity.manage': 'administrator',
  'console-logins.decide': 'user',
  'access-sessions.open': 'user',
  'access-sessions.list': 'user',
  'access-sessions.list-any': 'administrator',
  'access-sessions.end': 'user',
  'access-sessions.end-any': 'administrator',
  'reports.read': 'user',
  'reports.read-all': 'administrator',
  'licences.read': 'administrator',
  'licences.manage': 'administrator',
  'vault.read': 'administrator',
  'vault.manage': 'administrator',
  'file-store.read': 'administrator',
  'file-store.manage': 'administrator',
  'failover.read': 'administrator',
  'failover.manage': 'administrator',
  'backup.read': 'administrator',
  'backup.manage': 'administrator',
  'backup.download': 'administrator',
  'rehearsal.enter': 'user',
} as const satisfies Record<string, 'user' | 'administrator'>;

export type Action = keyof typeof ACTIONS;

/** What a scope of an API token lets it do, as far as its account may, too, and only on routes that take tokens at all. */
export const SCOPE_ACTIONS: Record<ApiScope, readonly Action[]> = {
  'failover:read': ['failover.read'],
  'failover:change': ['failover.read', 'failover.manage'],
  'backup:read': ['backup.read'],
  'backup:change': ['backup.read', 'backup.manage', 'backup.download'],
};
