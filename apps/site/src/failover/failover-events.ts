import { defineAuditEvent } from '@bascule/store/audit.ts';

/** In the audit of the site, by the new primary. */
export const promoted = defineAuditEvent<{ appliance: string; epoch: number; by: string; reason: string }>(
  'FAILOVER_PROMOTED',
  '{appliance} became primary, epoch {epoch}, by {by} ({reason})',
);
/** In the audit of pair.db of each side. */
export const roleChanged = defineAuditEvent<{ role: string; epoch: number; by: string; reason: string }>(
  'FAILOVER_ROLE_CHANGED',
  'This appliance became {role}, epoch {epoch}, by {by} ({reason})',
);
export const promotionFinished = defineAuditEvent<{ epoch: number }>(
  'FAILOVER_PROMOTION_FINISHED',
  'Everything of epoch {epoch} is in force here',
  { housekeeping: true },
);
export const settingsChanged = defineAuditEvent<{ changes: string }>(
  'FAILOVER_SETTINGS_CHANGED',
  'Changed the settings of the failover relationship: {changes}',
);
export const relationshipEstablished = defineAuditEvent<{ peer: string; role: string }>(
  'FAILOVER_ESTABLISHED',
  'Established a failover relationship with {peer}; this appliance is {role}',
);
export const relationshipBroken = defineAuditEvent<{ peer: string; by: string }>(
  'FAILOVER_BROKEN',
  '{by} broke the failover relationship with {peer}',
);
export const copyNoted = defineAuditEvent<{ what: string }>('FAILOVER_COPY_NOTED', 'Noted how far the copy is: {what}', {
  housekeeping: true,
});
export const statementNoted = defineAuditEvent<{ epoch: number; holder: string }>(
  'FAILOVER_STATEMENT_NOTED',
  'Learned that {holder} holds epoch {epoch}',
);
export const sideArchived = defineAuditEvent<{ folder: string; reason: string; changes: number }>(
  'FAILOVER_SIDE_ARCHIVED',
  'Archived what this appliance held as {folder} ({reason}, {changes} changes)',
);
export const historyLeft = defineAuditEvent<{ appliance: string; epoch: number; reason: string; peer: string }>(
  'FAILOVER_HISTORY_LEFT',
  'The audit of {appliance} of epoch {epoch} could not be united with the one here ({reason}): it is in the archive of {peer}',
);
export const alarmRaised = defineAuditEvent<{ code: string }>(
  'FAILOVER_ALARM_RAISED',
  'Alarm of the failover relationship: {code}',
);
export const alarmEnded = defineAuditEvent<{ code: string }>('FAILOVER_ALARM_ENDED', 'The alarm {code} is over');
export const handedOver = defineAuditEvent<{ to: string; epoch: number; by: string }>(
  'FAILOVER_HANDED_OVER',
  'Handed the site over to {to}, epoch {epoch}, for {by}',
);
