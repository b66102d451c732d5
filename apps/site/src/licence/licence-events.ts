import { defineAuditEvent } from '@bascule/store/audit.ts';

export const licenceKnown = defineAuditEvent<{ holder: string; version: string }>(
  'LICENCE_KNOWN',
  'Knows licence {version} of {holder} now',
);
export const licencesGiven = defineAuditEvent<{ given: number; freed: number }>(
  'LICENCE_ENDPOINTS_GIVEN',
  'Gave licences to {given} endpoints and took back {freed} of endpoints that are gone',
);
export const licenceMoved = defineAuditEvent<{ from: string; to: string }>(
  'LICENCE_MOVED',
  'Moved the licence of {from} to {to}',
);
export const licenceGiven = defineAuditEvent<{ to: string }>('LICENCE_GIVEN', 'Gave a free licence to {to}');
export const licenceRefused = defineAuditEvent<{ item: string; why: string }>(
  'LICENCE_REFUSED',
  'Refused a session on {item} for want of a licence: {why}',
);
export const licenceWarned = defineAuditEvent<{ about: string }>('LICENCE_WARNED', 'Warned of a licence: {about}');
