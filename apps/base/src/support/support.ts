import { hostname } from 'node:os';
import { join } from 'node:path';
import type { AnyRoute } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import { mailRoutes } from '@bascule/mail/mail-routes.ts';
import type { Mailer } from '@bascule/mail/mailer.ts';
import { openMailer } from '@bascule/mail/open-mailer.ts';
import type { Store } from '@bascule/store/store.ts';

export { mailSettingsPart } from './mail-settings-part.ts';
export { Mailer, mailMigrations } from '@bascule/mail/mailer.ts';
export type { BundleSources } from './bundle.ts';
export { only } from './redact.ts';
export { supportRoutes } from './support-routes.ts';

/**
 * The box's own mail: its settings and queue are in box.db, so that it is sent while the site is down. Sends what waits from a program before. Its
 * password is wrapped by the key with which the secrets of the box's administrators are.
 */
export function openBoxMail(store: Store, boxDirectory: string, log: Log, applianceName: string = hostname()): Mailer {
  const mailer = openMailer({ store, keyFile: join(boxDirectory, 'account.key'), sender: applianceName, log });
  mailer.start();
  return mailer;
}

/** Support > E-mail (protocol/api/updates.ts, mailState). */
export function boxMailRoutes(mailer: Mailer): AnyRoute[] {
  return mailRoutes(mailer, 'support/email', { read: 'box.email.read', change: 'box.email.change' });
}
