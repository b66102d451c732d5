import { MailPage } from '../../mail/MailPage.tsx';

/** Management > E-mail Configuration (B25): the site's mail. */
export function EmailConfigurationPage() {
  return <MailPage owner="site" />;
}
