import { z } from 'zod';
import {
  accountRules,
  DEFAULT_ACCOUNT_RULES,
  DEFAULT_TLS_SETTINGS,
  loginBanner,
  networks,
  tlsSettings,
} from '@bascule/protocol/api/security.ts';
import { BoxDocument } from '../changes/changes.ts';

/** What is kept of Security, one document each; the name is also the kind of its changes. */
export const documents = {
  tls: new BoxDocument('tls', tlsSettings, DEFAULT_TLS_SETTINGS),
  'login-banner': new BoxDocument('login-banner', loginBanner, ''),
  'account-rules': new BoxDocument('account-rules', accountRules, DEFAULT_ACCOUNT_RULES),
  networks: new BoxDocument<string[]>('networks', networks, []),
} as const;
export type DocumentName = keyof typeof documents;

/** All of it, as it is exported. */
export const securitySettings = z.object({
  tls: tlsSettings,
  banner: loginBanner,
  accounts: accountRules,
  networks,
});
export type SecuritySettings = z.infer<typeof securitySettings>;
