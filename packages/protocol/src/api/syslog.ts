/** Box interface, below `/appliance/api/security/syslog`: audit and alarms go to up to three servers (RFC 5424 over TLS, RFC 5425). */
import { z } from 'zod';
import { id, instantMs, line } from '../text.ts';

export const SYSLOG_DESTINATIONS_MAX = 3;
export const SYSLOG_DEFAULT_PORT = 6514;

/** What is sent. `heads`: the heads of the audit chains, each hour, so that nobody can rewrite the audit unseen. */
export const SYSLOG_SOURCES = ['box-audit', 'site-audit', 'alarms', 'heads'] as const;
export type SyslogSource = (typeof SYSLOG_SOURCES)[number];

const pem = z.string().max(64_000);
export const syslogDestination = z.strictObject({
  /** Absent: a new one. */
  id: id('syslogDestination').optional(),
  isOn: z.boolean(),
  host: line(253),
  port: z.number().int().min(1).max(65_535),
  /** PEM; null: the authorities that this machine knows. */
  caPem: pem.nullable(),
  /** The certificate that we show; null: none. */
  clientCertificatePem: pem.nullable(),
  sources: z.array(z.enum(SYSLOG_SOURCES)).max(4),
});
/** `clientKeyPem` absent: the one that is stored, if the certificate is the same. */
export const syslogDestinationChange = syslogDestination.extend({ clientKeyPem: pem.optional() });
export type SyslogDestination = z.infer<typeof syslogDestination>;
export type SyslogDestinationChange = z.infer<typeof syslogDestinationChange>;

/** PUT security/syslog: the whole list. */
export const syslogChange = z.strictObject({ destinations: z.array(syslogDestinationChange).max(SYSLOG_DESTINATIONS_MAX) });
export type SyslogChange = z.infer<typeof syslogChange>;

export const syslogDestinationState = syslogDestination.required({ id: true }).extend({
  hasClientKey: z.boolean(),
  state: z.enum(['off', 'connecting', 'connected', 'waiting']),
  /** Why it waits, in words. */
  error: z.string().nullable(),
  connectedAtMs: instantMs.nullable(),
  lastSentAtMs: instantMs.nullable(),
  sent: z.number().int(),
  /** Messages that are still to be sent. */
  waiting: z.number().int(),
  /** Messages that the spool had no room for since this destination was made. */
  dropped: z.number().int(),
});
export const syslogState = z.object({
  destinations: z.array(syslogDestinationState),
  spool: z.object({ bytes: z.number(), maxBytes: z.number() }),
});
export type SyslogState = z.infer<typeof syslogState>;

/** POST security/syslog/test: connects, sends one message, and says what came of it. */
export const syslogTest = z.strictObject({ id: id('syslogDestination') });
export const syslogTestAnswer = z.object({
  ok: z.boolean(),
  /** What was agreed, or what went wrong, in words. */
  text: z.string(),
  protocol: z.string().nullable(),
  issuedTo: z.string().nullable(),
});
export type SyslogTestAnswer = z.infer<typeof syslogTestAnswer>;
