import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createLog } from '@bascule/log/log.ts';
import { DEFAULT_ACCOUNT_RULES } from '@bascule/protocol/api/security.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { accountMigrations, Accounts, openKeyWrap } from './accounts.ts';
import type { AccountKind } from './account-parts.ts';

/** Where the tests' browser is. */
export const VISITOR = { address: '192.0.2.1', userAgent: 'test browser' };

/** Accounts on a store of their own, with a clock that stands until it is moved. */
export function openTestAccounts(kind: AccountKind = 'user') {
  const clock = { nowMs: Date.UTC(2026, 0, 1) };
  const limits = { idleMinutes: 30, maxHours: 12 };
  /** Changed by tests. */
  const rules = structuredClone(DEFAULT_ACCOUNT_RULES);
  const { store, directory, ...opened } = openTestStore(accountMigrations, { now: () => clock.nowMs });
  const accounts = new Accounts({
    store,
    kind,
    rpName: 'Bascule',
    limits: () => limits,
    rules: () => rules,
    keyWrap: openKeyWrap(join(directory, 'test.key')),
    log: createLog('test', 'silent'),
    now: () => clock.nowMs,
  });
  return {
    accounts,
    store,
    clock,
    limits,
    rules,
    directory,
    /** The codes of all audit events so far, oldest first. */
    auditCodes: () => store.all<{ code: string }>('SELECT code FROM audit_event ORDER BY sequence').map(({ code }) => code),
    /** Makes an account that has chosen `password`; returns its id. */
    async addUser(name: string, password: string, role: 'administrator' | 'user' = 'user'): Promise<string> {
      const { user, oneTimePassword } = await accounts.users.create(testContext, { name, displayName: name, role });
      const { principal } = await accounts.logins.withPassword(name, oneTimePassword, VISITOR);
      await accounts.logins.changePassword(testContext, principal, { next: password });
      accounts.sessions.endOwn(testContext, principal, principal.loginSession, 'test');
      return user.id;
    },
    [Symbol.dispose]() {
      accounts.close();
      opened[Symbol.dispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
