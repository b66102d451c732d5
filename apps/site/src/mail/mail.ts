import type { AnyRoute } from '@bascule/http/route.ts';
import type { Log } from '@bascule/log/log.ts';
import { mailRoutes } from '@bascule/mail/mail-routes.ts';
import type { Mailer } from '@bascule/mail/mailer.ts';
import { openMailer } from '@bascule/mail/open-mailer.ts';
import type { Store } from '@bascule/store/store.ts';

export { Mailer, mailMigrations, mailWrappedColumns } from '@bascule/mail/mailer.ts';

/** The site's mail: settings and queue in site.db, the password wrapped by the site key. Sends from `start()` on. */
export function openSiteMail(options: {
  store: Store;
  applianceName: string;
  keyFile: string;
  log: Log;
  now?: () => number;
}): Mailer {
  const { applianceName, ...rest } = options;
  return openMailer({ ...rest, sender: applianceName });
}

/** Management > Email Configuration (protocol/api/updates.ts, mailState). */
export function siteMailRoutes(mailer: Mailer): AnyRoute[] {
  return mailRoutes(mailer, 'settings/email', { read: 'email.read', change: 'email.change' });
}
