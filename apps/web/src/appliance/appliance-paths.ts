/** Addresses inside /appliance, below the router's base path. */
export const appliancePaths = {
  status: '/status',
  users: '/users',
  updates: '/updates',
  availableUpdates: '/updates/available',
  upgradePlans: '/updates/plans',
  updatesHistory: '/updates/history',
  updatesSettings: '/updates/settings',
  networking: '/networking',
  ipConfiguration: '/networking/addresses',
  traffic: '/networking/traffic',
  ntp: '/networking/ntp',
  support: '/support',
  email: '/support/email',
  move: '/support/move',
  account: '/account',
} as const;
