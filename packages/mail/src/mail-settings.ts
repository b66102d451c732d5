import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { mailSettings, type MailSettings } from '@bascule/protocol/api/updates.ts';

/** Before anybody has configured mail. */
export const NO_MAIL_SETTINGS: MailSettings = {
  isOn: false,
  host: '',
  port: 587,
  security: 'starttls',
  certificateSha256: '',
  account: '',
  from: '',
  recipients: [],
  language: 'en',
};

/** What a password was given for. */
export const SERVER_FIELDS = ['host', 'port', 'security', 'certificateSha256', 'account'] as const;

/** Settings as stored; what an older version did not know has its default. */
export function parseSettings(stored: string | undefined): MailSettings {
  return stored === undefined ? NO_MAIL_SETTINGS : mailSettings.parse({ ...NO_MAIL_SETTINGS, ...(JSON.parse(stored) as object) });
}

/** Refuses settings that cannot work, and those that would hand the stored password to somebody else. */
export function checkChange(before: MailSettings, after: MailSettings, password: string | undefined, hasPassword: boolean): void {
  if (after.isOn) {
    if (after.host === '') throw invalid('MAIL_HOST_MISSING', 'host', 'Give the name or address of the mail server.');
    if (after.recipients.length === 0) throw invalid('MAIL_RECIPIENTS_MISSING', 'recipients', 'Give at least one recipient.');
  }
  if ((after.isOn || after.from !== '') && !z.email().safeParse(after.from).success)
    throw invalid('MAIL_FROM_INVALID', 'from', 'The sender must be an e-mail address, such as bascule@example.org.');
  const keepsPassword = password === undefined && hasPassword;
  if (after.account === '' && (keepsPassword || (password ?? '') !== ''))
    throw invalid('MAIL_ACCOUNT_MISSING', 'account', 'A password needs an account; remove the password or give the account.');
  if (keepsPassword && SERVER_FIELDS.some((name) => before[name] !== after[name]))
    throw invalid(
      'MAIL_PASSWORD_NEEDED',
      'password',
      'The server, its protection or the account changes: type the password again.',
    );
}

/** The changes in one line for the audit; empty when there is none. */
export function describeChange(before: MailSettings, after: MailSettings, password: string | undefined): string {
  const names = (Object.keys(after) as (keyof MailSettings)[]).filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  const changes = names.map((name) => `${name} from ${JSON.stringify(before[name])} to ${JSON.stringify(after[name])}`);
  if (password !== undefined) changes.push(password === '' ? 'password removed' : 'password set');
  return changes.join(', ');
}

function invalid(code: string, field: string, message: string): AppError {
  return new AppError('invalid', code, message, { field: `body.${field}` });
}
