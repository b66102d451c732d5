import { defineAuditEvent } from '@bascule/store/audit.ts';

/** What upgrade plans write into the audit of the box. Codes are permanent. */
export const planMade = defineAuditEvent<{ plan: string; planKind: string; appliances: string }>(
  'PLAN_MADE',
  'Made the {planKind} upgrade plan {plan} for {appliances}',
);
export const planOrdered = defineAuditEvent<{ plan: string; planKind: string; order: string; step: number }>(
  'PLAN_ORDERED',
  'Ordered {order} of the {planKind} upgrade plan {plan} at step {step}',
);
export const planEnded = defineAuditEvent<{ plan: string; planKind: string; outcome: string }>(
  'PLAN_ENDED',
  'The {planKind} upgrade plan {plan} ended: {outcome}',
);
export const planCameOn = defineAuditEvent<{ plan: string; step: number; state: string }>(
  'PLAN_STEP',
  'The upgrade plan {plan} is at step {step}: {state}',
  { housekeeping: true },
);
/** The other appliance's plan has this one do something. */
export const planAsked = defineAuditEvent<{ plan: string; what: string; peer: string }>(
  'PLAN_ASKED',
  '{peer} asked for {what}, for its upgrade plan {plan}',
);
export const planInstallationNoted = defineAuditEvent<{ plan: string; installation: string }>(
  'PLAN_INSTALLATION',
  'The installation {installation} belongs to the upgrade plan {plan}',
  { housekeeping: true },
);
