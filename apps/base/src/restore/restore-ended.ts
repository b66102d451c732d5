import type { RestoreNames, RestoreRemark } from '@bascule/protocol/api/restore.ts';
import type { EndedRights } from '@bascule/protocol/restore-program.ts';
import { remark } from './restore-remarks.ts';

/** Names in one sentence; of more their number alone is told. */
const NAMES_TOLD_MAX = 20;

/** What a restore ends of what is valid in the backup, in words: before it, and in the report. undefined: the site's software does not say. */
export function remarksOnEnded(ended: EndedRights | undefined): RestoreRemark[] {
  if (ended === undefined) return [];
  const remarks: RestoreRemark[] = [];
  const say = (found: RestoreNames, code: string, message: string): void => {
    if (found.count === 0) return;
    const names = namesTold(found);
    remarks.push(remark(code, `${message}: ${names}`, { number: found.count, names }));
  };
  const { clients, accounts, apiTokens, installerTokens, administratorsLeft, isSameSite } = ended;
  say(clients, 'CLIENTS_STAY_REVOKED', 'Jump Clients that were revoked or deleted here since the backup stay revoked');
  say(accounts, 'ACCOUNTS_STAY_DISABLED', 'Accounts that are disabled here stay disabled');
  say(
    administratorsLeft,
    'ADMINISTRATORS_NOT_DISABLED',
    'Administrators that are disabled here can log in again, for no other one is in the backup',
  );
  if (isSameSite) {
    say(apiTokens, 'API_TOKENS_STAY_ENDED', 'API tokens that do not exist here any more stay ended');
    say(installerTokens, 'INSTALLER_TOKENS_STAY_ENDED', 'Installers that were revoked or used up here since the backup stay so');
  } else {
    say(apiTokens, 'API_TOKENS_ENDED', 'All API tokens of the backup end, for nobody here knows which were ended since');
    say(
      installerTokens,
      'INSTALLER_TOKENS_ENDED',
      'All installers of the backup are revoked, for nobody here knows which were revoked since',
    );
  }
  return remarks;
}

function namesTold({ count, names }: RestoreNames): string {
  const told = names.slice(0, NAMES_TOLD_MAX);
  const more = count - told.length;
  return more > 0 ? `${told.join(', ')} … (+${more})` : told.join(', ');
}
