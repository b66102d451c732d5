import type { Accounts } from '@bascule/accounts/accounts.ts';

/** What a console's login session is called, among a person's others. */
export const consoleAgent = (version: string, machine: string) => `bascule ${version} on ${machine}`;
const CONSOLE_AGENT = /^bascule (\S+) on (.+)$/;

/** An installed console with a login: one for each person and machine. */
export interface KnownConsole {
  /** Of its login session. */
  id: string;
  name: string;
  version: string;
  lastSeenAtMs: number;
}

/** The consoles that are logged in now, each person's machine once: what the page about losses, which sees nothing else of consoles, can name. */
export function knownConsoles(accounts: Accounts): KnownConsole[] {
  const newest = new Map<string, KnownConsole>();
  for (const { id, accountId, userAgent, lastSeenAtMs } of accounts.sessions.all()) {
    const [, version, machine] = CONSOLE_AGENT.exec(userAgent) ?? [];
    if (version === undefined || machine === undefined) continue;
    const known = newest.get(`${accountId} ${machine}`);
    if (known !== undefined && known.lastSeenAtMs >= lastSeenAtMs) continue;
    const name = `${accounts.nameOf(accountId) ?? accountId} (${machine})`;
    newest.set(`${accountId} ${machine}`, { id, name, version, lastSeenAtMs });
  }
  return [...newest.values()];
}
