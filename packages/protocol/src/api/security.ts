/** Box interface, below `/appliance/api/security`: how browsers are let in, and the rules for accounts. The site uses the rules' schemas as well. */
import { z } from 'zod';
import { PASSWORD_MIN_CHARACTERS } from './auth.ts';
import { acceptCut } from './changes.ts';
import { line } from '../text.ts';

export const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
/** All that can be chosen: with forward secrecy and authenticated encryption alone. */
export const TLS12_CIPHERS = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
] as const;
export const TLS13_CIPHERS = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'] as const;

/** For browsers alone: links of clients are TLS 1.3 in any case. */
export const tlsSettings = z.object({
  minVersion: z.enum(TLS_VERSIONS),
  ciphers12: z.array(z.enum(TLS12_CIPHERS)).max(TLS12_CIPHERS.length),
  ciphers13: z.array(z.enum(TLS13_CIPHERS)).max(TLS13_CIPHERS.length),
});
export type TlsSettings = z.infer<typeof tlsSettings>;
export const DEFAULT_TLS_SETTINGS: TlsSettings = {
  minVersion: 'TLSv1.2',
  ciphers12: [...TLS12_CIPHERS],
  ciphers13: [...TLS13_CIPHERS],
};

export const LOGIN_BANNER_MAX_CHARACTERS = 2000;
/** Plain text, shown before a login; lines are kept, other control characters and those of direction refused. Empty: none. */
export const loginBanner = z
  .string()
  .max(LOGIN_BANNER_MAX_CHARACTERS)
  .regex(/^(?:[^\p{Cc}\p{Bidi_Control}]|[\n\t])*$/u, 'must not contain control characters');
/** GET security/banner (of the box) and GET login-banner (of the site): public. */
export const loginBannerAnswer = z.object({ text: z.string() });

/** When an account is locked: after so many failures in a row for 30 s, twice as long at each further one, at most so many minutes. */
export const lockOutRules = z.object({
  attempts: z.number().int().min(3).max(20),
  longestMinutes: z.number().int().min(1).max(1440),
});
export type LockOutRules = z.infer<typeof lockOutRules>;
export const PASSWORD_LENGTH_MOST = 64;
export const PASSWORD_HISTORY_MOST = 24;
export const passwordRules = z.object({
  minCharacters: z.number().int().min(PASSWORD_MIN_CHARACTERS).max(PASSWORD_LENGTH_MOST),
  /** So many former passwords cannot be taken again; 0: only the present one. */
  history: z.number().int().min(0).max(PASSWORD_HISTORY_MOST),
  /** A password is to be changed after so many days; null: never (the default, as NIST SP 800-63B recommends). */
  expiryDays: z.number().int().min(1).max(730).nullable(),
});
export type PasswordRules = z.infer<typeof passwordRules>;
export const accountRules = z.object({
  lockOut: lockOutRules,
  passwords: passwordRules,
  /** Whoever has no second factor sets one up at the next login, before anything else works. */
  secondFactorRequired: z.boolean(),
});
export type AccountRules = z.infer<typeof accountRules>;
export const DEFAULT_ACCOUNT_RULES: AccountRules = {
  lockOut: { attempts: 5, longestMinutes: 60 },
  passwords: { minCharacters: PASSWORD_MIN_CHARACTERS, history: 0, expiryDays: null },
  secondFactorRequired: false,
};

export const NETWORKS_MAX = 50;
/** `192.0.2.0/24`, `2001:db8::/32`, or one address. */
export const networkText = line(49);
/** From where /appliance answers; empty: from everywhere. */
export const networks = z.array(networkText).max(NETWORKS_MAX);

/** GET security */
export const boxSecurity = z.object({
  tls: tlsSettings,
  banner: z.string(),
  accounts: accountRules,
  networks: z.array(z.string()),
  /** The address from which this page was asked for, and of ours by which. */
  yourAddress: z.string(),
  reachedBy: z.string(),
  /** Of this very connection; null: not known. */
  yourTlsVersion: z.string().nullable(),
});
export type BoxSecurity = z.infer<typeof boxSecurity>;
/** PUT security/tls, security/banner, security/accounts, security/networks: the answer is that of GET security. */
export const tlsChange = tlsSettings.extend({ acceptCut }).strict();
export const bannerChange = z.strictObject({ text: loginBanner });
export const accountRulesChange = accountRules.strict();
export const networksChange = z.strictObject({ networks, acceptCut });
