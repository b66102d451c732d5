/** Everything that may be asked of policy: a closed list. `user`: every user who is logged in; `administrator`: administrators only. */
export const ACTIONS = {
  'account.own': 'user',
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
  'access-sessions.open': 'user',
  'access-sessions.list': 'user',
  'access-sessions.list-any': 'administrator',
  'access-sessions.end': 'user',
  'access-sessions.end-any': 'administrator',
  'reports.read': 'user',
  'reports.read-all': 'administrator',
} as const satisfies Record<string, 'user' | 'administrator'>;

export type Action = keyof typeof ACTIONS;
