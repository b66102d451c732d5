import { defineAuditEvent } from '@bascule/store/audit.ts';

type Asked = { login: string; machine: string; address: string };

export const loginGranted = defineAuditEvent<Asked>(
  'CONSOLE_LOGIN_GRANTED',
  'Confirmed the login of the console on {machine} at {address}',
  { waitsForPeer: true },
);
export const loginRefused = defineAuditEvent<Asked>(
  'CONSOLE_LOGIN_REFUSED',
  'Refused the login of the console on {machine} at {address}',
  { waitsForPeer: true },
);
