import { defineAuditEvent } from '@bascule/store/audit.ts';

/** What the engine writes into the audit of the box. Codes are permanent. */
export const started = defineAuditEvent<{
  installation: string;
  kind: string;
  operation: string;
  fromVersion: string;
  toVersion: string;
}>('INSTALLATION_STARTED', 'Started {operation} of {kind} {toVersion} over {fromVersion}');
export const ended = defineAuditEvent<{
  installation: string;
  kind: string;
  operation: string;
  toVersion: string;
  outcome: string;
  /** A code; empty when it ended well. */
  cause: string;
}>('INSTALLATION_ENDED', 'The {operation} of {kind} {toVersion} ended: {outcome} {cause}');
export const cancelRequested = defineAuditEvent<{ installation: string }>(
  'INSTALLATION_CANCEL_REQUESTED',
  'Asked to cancel the installation {installation}',
);
export const acknowledged = defineAuditEvent<{ installation: string }>(
  'INSTALLATION_ACKNOWLEDGED',
  'Acknowledged the rollback of the installation {installation}',
);
export const licenceInstalled = defineAuditEvent<{ installation: string; holder: string; version: string }>(
  'LICENCE_INSTALLED',
  'Installed licence {version} of {holder}',
);
export const stepBegun = defineAuditEvent<{ installation: string; step: string }>(
  'INSTALLATION_STEP_BEGUN',
  'The installation {installation} came to {step}',
  { housekeeping: true },
);
export const stepEnded = defineAuditEvent<{ installation: string; step: string; state: string }>(
  'INSTALLATION_STEP_ENDED',
  'The installation {installation} ended {step}: {state}',
  { housekeeping: true },
);
export const noted = defineAuditEvent<{ installation: string }>(
  'INSTALLATION_NOTED',
  'More is known of the installation {installation}',
  { housekeeping: true },
);
