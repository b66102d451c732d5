import { defineAuditEvent } from '@bascule/store/audit.ts';

export const rolloutMade = defineAuditEvent(
  'FLEET_ROLLOUT_MADE',
  'Made a rollout of client programs {version}; {cancelled:order,orders} of before are void',
);
export const rolloutNoted = defineAuditEvent('FLEET_ROLLOUT_NOTED', 'Noted how far the rollout of {version} is', {
  housekeeping: true,
});
export const rolloutStarted = defineAuditEvent('FLEET_ROLLOUT_STARTED', 'Switched the upgrade of clients to {version} on');
export const rolloutPaused = defineAuditEvent('FLEET_ROLLOUT_PAUSED', 'Paused the upgrade of clients to {version}');
export const rolloutResumed = defineAuditEvent(
  'FLEET_ROLLOUT_RESUMED',
  'Resumed the upgrade of clients to {version}, failed ones again: {retryFailed}',
);
export const rolloutHalted = defineAuditEvent(
  'FLEET_ROLLOUT_HALTED',
  'Halted the upgrade of clients to {version} in ring {ring}: {text}',
);
export const rolloutEnded = defineAuditEvent(
  'FLEET_ROLLOUT_ENDED',
  'Finished the upgrade of clients to {version}: {current:client is,clients are} current, {failed} failed',
);
export const ordersGiven = defineAuditEvent('FLEET_ORDERS_GIVEN', 'Told {clients:client,clients} to upgrade', {
  housekeeping: true,
});
export const outcomesNoted = defineAuditEvent(
  'FLEET_OUTCOMES_NOTED',
  'Noted the upgrades of {clients:client,clients}: {upgraded} done, {failed} failed',
  { housekeeping: true },
);
export const upgradeFailed = defineAuditEvent(
  'FLEET_UPGRADE_FAILED',
  'The upgrade of {name} from {fromVersion} to {version} {outcome}: {failure} {reason}',
);
export const clientsForgotten = defineAuditEvent(
  'FLEET_CLIENTS_FORGOTTEN',
  'Forgot the upgrades of {clients:deleted client,deleted clients}',
  { housekeeping: true },
);
export const movedToFront = defineAuditEvent('FLEET_CLIENT_TO_FRONT', 'Moved {name} to the front of the upgrade queue');
export const triedAgain = defineAuditEvent('FLEET_CLIENT_RETRIED', 'Told the upgrade queue to try again with {name}');
export const exported = defineAuditEvent('FLEET_EXPORTED', 'Exported the list of client versions as {format}');
export const proved = defineAuditEvent('FLEET_PROVED', 'Downloaded the proof of client versions');
export const uninstallAsked = defineAuditEvent(
  'FLEET_UNINSTALL_ASKED',
  'Ordered {clients:client,clients} to uninstall themselves',
);
export const uninstalled = defineAuditEvent('FLEET_CLIENT_UNINSTALLED', '{name} uninstalls itself');
export const uninstallFailed = defineAuditEvent('FLEET_UNINSTALL_FAILED', '{name} could not uninstall itself: {reason}');
