import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '@bascule/log/log.ts';
import type { Mailer } from '@bascule/mail/mailer.ts';
import { openMailer } from '@bascule/mail/open-mailer.ts';
import type { Store } from '@bascule/store/store.ts';
import { openServerStore } from './server-store.ts';

/** As mails and the audit name the server. */
const SERVER_NAME = 'Bascule update server';

/** Opens (and makes) the state in the folder `state`, which is closed to others: for the server and, beside it, for commands. */
export function openState(state: string, log: Log, now: () => number = Date.now): { store: Store; mailer: Mailer } {
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const store = openServerStore({ path: join(state, 'update-server.db'), server: SERVER_NAME, log, now });
  return { store, mailer: openMailer({ store, keyFile: join(state, 'mail.key'), sender: SERVER_NAME, log, now }) };
}
