import { defineAuditEvent } from '@bascule/store/audit.ts';

export const codeMade = defineAuditEvent<Record<never, never>>(
  'MOVE_CODE_MADE',
  'Made a transfer code: whoever has it can move the site to another box for a day',
);
export const codeRevoked = defineAuditEvent<Record<never, never>>('MOVE_CODE_REVOKED', 'Took the transfer code back');
export const codeOver = defineAuditEvent<{ appliance: string }>(
  'MOVE_CODE_OVER',
  'The transfer code ran out while {appliance} used it: that move is over, and this box goes on serving the site',
);
export const siteTold = defineAuditEvent<Record<never, never>>('MOVE_SITE_TOLD', 'The site was told that a move is over', {
  housekeeping: true,
});
export const codeUsed = defineAuditEvent<{ appliance: string; address: string }>(
  'MOVE_CODE_USED',
  'The transfer code was used by {appliance} from {address}: the site is being moved there',
);
export const settingsGiven = defineAuditEvent<{ appliance: string }>(
  'MOVE_SETTINGS_GIVEN',
  'Gave the settings and certificates of this box, with their keys, to {appliance}',
);
export const signpostSet = defineAuditEvent<{ appliance: string }>(
  'MOVE_SIGNPOST',
  'The site moved to {appliance}; this box leads there',
);
export const moveBegun = defineAuditEvent<{ old: string }>('MOVE_BEGUN', 'Begins to move the site of {old} to this box');
export const moveStepDone = defineAuditEvent<{ step: string; next: string }>('MOVE_STEP', 'Move: {step} is done, {next} is next');
export const moveSwitched = defineAuditEvent<{ old: string }>(
  'MOVE_SWITCHED',
  'Ordered that this box serves the site instead of {old}',
);
export const moveClients = defineAuditEvent<{ before: number }>(
  'MOVE_CLIENTS',
  'Move: {before} clients are connected to the old box',
);
export const moveProblem = defineAuditEvent<{ step: string; problem: string }>(
  'MOVE_PROBLEM',
  'Move: {step} did not go on: {problem}',
);
export const moveGoesOn = defineAuditEvent<{ step: string }>('MOVE_GOES_ON', 'Move: {step} goes on');
export const moveCancelled = defineAuditEvent<{ old: string }>(
  'MOVE_CANCELLED',
  'The move from {old} was cancelled; {old} goes on serving the site',
);
export const moveDone = defineAuditEvent<{ old: string }>('MOVE_DONE', 'The site of {old} was moved to this box');
