import { openKeyWrap } from '@bascule/accounts/key-wrap.ts';
import type { Log } from '@bascule/log/log.ts';
import type { Store } from '@bascule/store/store.ts';
import { Mailer } from './mailer.ts';

/** A mailer whose password is wrapped by the key in `keyFile` (0600; made when it is not there). It sends from `start()` on. */
export function openMailer(options: { store: Store; keyFile: string; sender: string; log: Log; now?: () => number }): Mailer {
  const { keyFile, ...rest } = options;
  return new Mailer({ ...rest, keyWrap: openKeyWrap(keyFile) });
}
