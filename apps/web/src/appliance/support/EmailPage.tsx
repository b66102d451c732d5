import { MailPage } from '../../mail/MailPage.tsx';

/** Support > E-mail: the appliance's own mail, which base sends also while the site is down. */
export function EmailPage() {
  return <MailPage owner="box" />;
}
