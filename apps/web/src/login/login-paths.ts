/** Addresses inside /login, below the router's base path. */
export const loginPaths = {
  status: '/status',
  account: '/account',
  jump: '/jump',
  jumpClients: '/jump/clients',
  jumpGroups: '/jump/groups',
  installerTokens: '/jump/installer-tokens',
  usersAndSecurity: '/users-security',
  users: '/users-security/users',
  securitySettings: '/users-security/settings',
  reports: '/reports',
  accessSessions: '/reports/access-sessions',
  accessSession: '/reports/access-sessions/$sessionId',
  audit: '/reports/audit',
  management: '/management',
  email: '/management/email',
} as const;
