import { mailSettings, type MailSettings } from '@bascule/protocol/api/updates.ts';

/** The port that belongs to a kind of security, taken over when the port was the other kind's. */
export const USUAL_PORTS: Record<MailSettings['security'], number> = { tls: 465, starttls: 587, none: 25 };

/** `security` changed: the port follows unless somebody chose an unusual one. */
export function withSecurity(settings: MailSettings, security: MailSettings['security']): MailSettings {
  const isUsual = settings.port === USUAL_PORTS[settings.security];
  return { ...settings, security, port: isUsual ? USUAL_PORTS[security] : settings.port };
}

/** Recipients as typed: one a line, or with commas or semicolons between. */
export function readRecipients(text: string): string[] {
  return text
    .split(/[\s,;]+/)
    .map((address) => address.trim())
    .filter((address) => address !== '');
}

/** A certificate's fingerprint as programs print it (`AB:CD …`), in the form that is stored. */
export function readFingerprint(text: string): string {
  return text.replaceAll(/[^0-9a-fA-F]/g, '').toLowerCase();
}

export type MailField = 'host' | 'port' | 'from' | 'recipients' | 'certificateSha256';

/** The fields that cannot be saved as they are; with mail switched off what is missing does not matter yet. */
export function wrongFields(settings: MailSettings): Set<MailField> {
  const wrong = new Set<MailField>();
  const parsed = mailSettings.safeParse(settings);
  for (const issue of parsed.error?.issues ?? []) wrong.add(issue.path[0] as MailField);
  if (!settings.isOn) return wrong;
  if (settings.host.trim() === '') wrong.add('host');
  if (!settings.from.includes('@')) wrong.add('from');
  if (settings.recipients.length === 0) wrong.add('recipients');
  return wrong;
}
