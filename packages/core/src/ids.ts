/**
 * Ids are UUIDv7 (RFC 9562, section 5.7) behind a prefix that names the kind, so that a mix-up fails at validation
 * and rows sort by the time they were made. This file runs in a browser too.
 */
export const ID_PREFIX = {
  boxAdministrator: 'box',
  user: 'usr',
  loginSession: 'lgs',
  passkey: 'pky',
  jumpClient: 'jc',
  jumpGroup: 'jg',
  installerToken: 'tok',
  accessSession: 'acs',
  auditEvent: 'aud',
  installation: 'ins',
  clientUpgrade: 'upg',
  rollout: 'rol',
  installer: 'ist',
  consoleLogin: 'cln',
  apiToken: 'apt',
  upgradePlan: 'pln',
  ipAddress: 'ipa',
  certificate: 'crt',
  syslogDestination: 'sys',
  storedFile: 'stf',
  backup: 'bku',
  backupDestination: 'bkd',
  staticRoute: 'rte',
  restoration: 'rst',
} as const;
export type IdKind = keyof typeof ID_PREFIX;

/** Makes a UUIDv7 for the instant `nowMs` (milliseconds since the epoch). */
export function uuidv7(nowMs: number = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setBigUint64(0, (BigInt(nowMs) << 16n) | BigInt((((bytes[6]! & 0x0f) | 0x70) << 8) | bytes[7]!));
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Makes an id of `kind`, for example `acs_01920c5e-...`. */
export function newId(kind: IdKind, nowMs?: number): string {
  return `${ID_PREFIX[kind]}_${uuidv7(nowMs)}`;
}

/** The pattern that ids of `kind` match. */
export function idPattern(kind: IdKind): RegExp {
  return new RegExp(`^${ID_PREFIX[kind]}_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`);
}
