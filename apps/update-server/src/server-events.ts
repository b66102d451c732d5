import { defineAuditEvent } from '@bascule/store/audit.ts';

type Named = { appliance: string; name: string };

export const trustConfirmed = defineAuditEvent<{ sha256: string; version: number }>(
  'UPDATE_SERVER_TRUST_CONFIRMED',
  'Took root {version} of the repository as its trust: SHA-256 {sha256}',
);
export const applianceRegistered = defineAuditEvent<Named & { by: string }>(
  'UPDATE_SERVER_APPLIANCE_REGISTERED',
  'Registered the appliance {name} ({by})',
);
export const applianceChanged = defineAuditEvent<Named & { changes: string }>(
  'UPDATE_SERVER_APPLIANCE_CHANGED',
  'Changed the appliance {name}: {changes}',
);
export const applianceRemoved = defineAuditEvent<Named>('UPDATE_SERVER_APPLIANCE_REMOVED', 'Removed the appliance {name}');
export const applianceAsked = defineAuditEvent<Named & { base: string; site: string; nonce: string }>(
  'UPDATE_SERVER_APPLIANCE_ASKED',
  '{name} (base {base}, site {site}) asked what it may have',
  { housekeeping: true },
);
export const scheduleAdded = defineAuditEvent<{ package: string; version: string; who: string; fromMs: number; from: string }>(
  'UPDATE_SERVER_SCHEDULE_ADDED',
  '{package} {version} is offered to {who} from {from}',
);
export const scheduleRemoved = defineAuditEvent<{ package: string; version: string; who: string }>(
  'UPDATE_SERVER_SCHEDULE_REMOVED',
  '{package} {version} is no longer scheduled for {who}',
);
export const keyRedeemed = defineAuditEvent<Named & { targets: string[]; bytes: number; nonce: string }>(
  'UPDATE_SERVER_KEY_REDEEMED',
  '{name} redeemed a download key: {bytes:byte,bytes}',
);
export const downloaded = defineAuditEvent<{ name: string; target: string; bytes: number }>(
  'UPDATE_SERVER_DOWNLOADED',
  '{name} downloaded {bytes:byte,bytes} of {target}',
  { housekeeping: true },
);
export const downloadForgotten = defineAuditEvent<Named & { target: string }>(
  'UPDATE_SERVER_DOWNLOAD_FORGOTTEN',
  '{name} may download {target} again',
);
export const noticed = defineAuditEvent<Named & { targets: string[]; count: number }>(
  'UPDATE_SERVER_NOTICED',
  'Wrote to the contact of {name} about {count:release,releases}',
);
