import { apiPaths } from '../shared/paths.ts';

/** Which mail settings: the appliance's (base sends them, also when the site is down) or the site's. */
export type MailOwner = 'box' | 'site';

/** The address of an owner's mail settings, below its interface's API. */
export function mailPath(owner: MailOwner): '/support/email' | '/settings/email' {
  return owner === 'box' ? apiPaths.boxMail : apiPaths.siteMail;
}
