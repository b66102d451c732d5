/** Which rows of the site are its logged history (B185): what the checkbox leaves out beside the audit and the change log. */
import type { LeftOutRows } from '@bascule/store/backup-copy.ts';

export const SITE_HISTORY: readonly LeftOutRows[] = [
  // Sessions that run stay: whoever restores is told how they ended.
  { table: 'access_sessions', where: 'ended_at_ms IS NOT NULL' },
  { table: 'mail_failure' },
];
