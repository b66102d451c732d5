import { join } from 'node:path';
import { Accounts, openKeyWrap } from '@bascule/accounts/accounts.ts';
import type { Grant, Principal } from '@bascule/http/principal.ts';
import { DEFAULT_ACCOUNT_RULES, type AccountRules } from '@bascule/protocol/api/security.ts';
import type { Log } from '@bascule/log/log.ts';
import type { Reader, Store } from '@bascule/store/store.ts';

/** Login sessions at the box end after this time without a request, and after this time in any case. */
export const BOX_LOGIN_LIMITS = { idleMinutes: 30, maxHours: 12 };
export const BOX_COOKIE = '__Host-bascule-box';

/** The people who may use /appliance: apart from the site's users, in box.db, which never leaves this machine. */
export function openBoxAdministrators(
  store: Store,
  boxDirectory: string,
  applianceName: string,
  log: Log,
  rules: () => AccountRules = () => DEFAULT_ACCOUNT_RULES,
): Accounts {
  return new Accounts({
    store,
    kind: 'boxAdministrator',
    rpName: `${applianceName} (appliance)`,
    limits: () => BOX_LOGIN_LIMITS,
    rules,
    keyWrap: openKeyWrap(join(boxDirectory, 'account.key')),
    log,
  });
}

/** Who may use /appliance, by name. */
export function administratorNames(reader: Reader): string[] {
  return reader
    .all<{ name: string }>('SELECT name FROM accounts WHERE disabled = 0 ORDER BY name LIMIT 200')
    .map(({ name }) => name);
}

/** The policy of the box: its administrators may do everything here, and there is nobody else. */
export function authorizeBox(principal: Principal, action: string): Grant | undefined {
  return principal.role === 'administrator' ? { principal, action } : undefined;
}
