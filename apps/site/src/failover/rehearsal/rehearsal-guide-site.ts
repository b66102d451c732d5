import type { Accounts } from '@bascule/accounts/accounts.ts';
import type { Store } from '@bascule/store/store.ts';
import type { Jump } from '../../jump/jump.ts';
import type { RehearsalSite } from './rehearsal-guide.ts';

/** What a site gives to a test of its standby (B133). */
export function rehearsalSiteOf({ store, accounts, jump }: { store: Store; accounts: Accounts; jump: Jump }): RehearsalSite {
  return {
    people: () =>
      accounts.users
        .list()
        .filter(({ disabled }) => !disabled)
        .map(({ id, name }) => ({ id, name })),
    roleOf: (userId) => accounts.roleOf(userId),
    clients: () =>
      store
        .all<{ id: string; name: string }>(
          `SELECT id, name FROM jump_clients WHERE state = 'approved' AND program = 'jump-client' ORDER BY name, id`,
        )
        .map(({ id, name }) => ({ id, name, online: jump.canRehearse(id) })),
    personOf: (loginCookie, isBackground) => accounts.authenticate(loginCookie, isBackground),
    rehearse: (clientId, message) => jump.rehearse(clientId, message),
    audit: (context, event) => store.transact(context, event, () => undefined),
  };
}
