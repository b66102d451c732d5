/** Messages as RFC 5424 has them, in the frames of RFC 5425. */
import { z } from 'zod';
import { SYSLOG_SOURCES } from '@bascule/protocol/api/syslog.ts';

/** RFC 5424, 6.2.1: security messages for the audit, system daemons for alarms. */
const FACILITY_AUDIT = 10;
const FACILITY_DAEMON = 3;
export const SEVERITY = { alert: 1, warning: 4, notice: 5, informational: 6 } as const;
/** RFC 5425, 4.3.1: what every receiver ought to take. */
export const MESSAGE_MAX_BYTES = 8192;
const TEXT_MAX_BYTES = 4096;
const VALUE_MAX_CHARACTERS = 512;
const MESSAGE_ID_MAX = 32;
const HOST_NAME_MAX = 255;
/** An enterprise number is part of the name of our own structured data (6.3.2); this is the one that RFC 5612 keeps for those who have none. */
const DATA_ID = 'bascule@32473';
const BYTE_ORDER_MARK = '\u{FEFF}';

/** One message while it waits. */
export const syslogRecord = z.object({
  atMs: z.number(),
  source: z.enum(SYSLOG_SOURCES),
  severity: z.number().int().min(0).max(7),
  /** The audit code, or what kind of thing it is. */
  code: z.string(),
  /** Structured data: names of letters, digits and hyphens. */
  data: z.record(z.string(), z.string()),
  text: z.string(),
  /** Where its source is after it: from there it goes on after a restart. */
  position: z.object({ epoch: z.number(), sequence: z.number() }).optional(),
});
export type SyslogRecord = z.infer<typeof syslogRecord>;

/** The message and its frame: the number of bytes, a space, the bytes. */
export function frameOf(record: SyslogRecord, appliance: string): Buffer {
  const message = Buffer.from(messageOf(record, appliance));
  return Buffer.concat([Buffer.from(`${message.length} `), message]);
}

/** `<PRI>1 TIME HOST APP PROCID MSGID [DATA] TEXT`, at most MESSAGE_MAX_BYTES. */
export function messageOf({ atMs, source, severity, code, data, text }: SyslogRecord, appliance: string): string {
  const priority = (source === 'alarms' ? FACILITY_DAEMON : FACILITY_AUDIT) * 8 + severity;
  const program = source === 'site-audit' ? 'site' : source === 'heads' ? (data['chain'] ?? 'box') : 'box';
  const time = new Date(atMs).toISOString();
  const fields = Object.entries({ code, ...data }).map(([name, value]) => `${name}="${escaped(value)}"`);
  const head = `<${priority}>1 ${time} ${printable(appliance, HOST_NAME_MAX)} bascule ${program} ${printable(code, MESSAGE_ID_MAX)}`;
  const line = text.replace(/[\p{Cc}]+/gu, ' ').toWellFormed();
  const isAscii = /^[\x20-\x7e]*$/.test(line);
  const start = `${head} [${DATA_ID} ${fields.join(' ')}] ${isAscii ? '' : BYTE_ORDER_MARK}`;
  const roomBytes = Math.min(TEXT_MAX_BYTES, MESSAGE_MAX_BYTES - Buffer.byteLength(start));
  return start + cut(line, Math.max(0, roomBytes));
}

/** RFC 5424, 6.3.3. */
function escaped(value: string): string {
  return value
    .slice(0, VALUE_MAX_CHARACTERS)
    .toWellFormed()
    .replace(/\p{Cc}/gu, ' ')
    .replace(/["\\\]]/g, String.raw`\$&`);
}

/** Visible ASCII without spaces; never empty (6.2). */
function printable(text: string, max: number): string {
  return text.replace(/[^\x21-\x7e]/g, '-').slice(0, max) || '-';
}

function cut(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes;
  // Not in the middle of a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end).toString('utf8');
}
