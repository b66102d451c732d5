/** Login and the own account: served below `/appliance/api` (box administrators) and `/api` (site users) alike. */
import { z } from 'zod';
import { language } from './common.ts';
import { id, instantMs, line, optionalLine } from '../text.ts';

export const PASSWORD_MIN_CHARACTERS = 12;
export const PASSWORD_MAX_CHARACTERS = 256;
export const userName = z
  .string()
  .trim()
  .toLowerCase()
  .min(1)
  .max(64)
  .regex(/^[a-z0-9][a-z0-9._@-]*$/, 'letters, digits and . _ @ - only');
const password = z.string().min(1).max(PASSWORD_MAX_CHARACTERS);
export const newPassword = z
  .string()
  .min(PASSWORD_MIN_CHARACTERS, `must have at least ${PASSWORD_MIN_CHARACTERS} characters`)
  .max(PASSWORD_MAX_CHARACTERS);

export const role = z.enum(['administrator', 'user']);
export type Role = z.infer<typeof role>;

/** What a login session still has to do before anything else works. */
export const loginState = z.enum(['second-factor', 'change-password', 'set-up-factor', 'ok']);

export const loginBody = z.object({ name: userName, password });
export const loginAnswer = z.object({ state: loginState, secondFactors: z.array(z.enum(['totp', 'passkey'])), csrf: z.string() });
/** POST auth/login/totp */
export const totpCodeBody = z.object({ code: z.string().regex(/^\d{6}$/, 'six digits') });
/** POST auth/login/passkey/begin → options; POST auth/login/passkey/finish {response}: as second factor, or instead of the password. */
export const passkeyOptions = z.object({ options: z.record(z.string(), z.unknown()) });
export const passkeyResponseBody = z.object({ response: z.record(z.string(), z.unknown()) });
/** POST auth/password. `current` is not asked again right after a login with a one-time password. */
export const changePasswordBody = z.object({ current: password.optional(), next: newPassword });

/** GET auth/me; 401 without a login session. */
export const me = z.object({
  id: z.string(),
  name: z.string(),
  displayName: z.string(),
  role,
  state: loginState,
  /** In the state `change-password`: whether the present password is asked for, too (it has expired; it was no one-time password). */
  asksCurrentPassword: z.boolean().optional(),
  /** What a new password must have at least; PASSWORD_MIN_CHARACTERS when absent. */
  passwordMinCharacters: z.number().int().optional(),
  secondFactors: z.array(z.enum(['totp', 'passkey'])),
  csrf: z.string(),
  language,
  /** Whether the person has chosen `language`; until then the interface keeps to the browser's. */
  languageChosen: z.boolean(),
  loginSession: id('loginSession'),
  /** When the login session ends if nothing is done, and at the latest. */
  idleEndsAtMs: instantMs,
  endsAtMs: instantMs,
});
export type Me = z.infer<typeof me>;
/** PATCH auth/me */
export const changeMeBody = z.object({ displayName: line(100).optional(), language: language.optional() });

/** GET auth/sessions; DELETE auth/sessions/:id */
export const loginSessionRow = z.object({
  id: id('loginSession'),
  current: z.boolean(),
  createdAtMs: instantMs,
  lastSeenAtMs: instantMs,
  address: z.string(),
  userAgent: z.string(),
});
export const loginSessions = z.object({ sessions: z.array(loginSessionRow) });

/** POST auth/totp/begin {password} → secret to show; POST auth/totp/confirm {code}; POST auth/totp/remove {password} */
export const totpBegin = z.object({ secret: z.string(), uri: z.string() });
export const passwordBody = z.object({ password });
/** POST auth/passkeys/begin {password} → options; POST auth/passkeys/finish; GET auth/passkeys; POST auth/passkeys/:id/remove {password} */
export const passkeyFinishBody = z.object({ name: line(64), response: z.record(z.string(), z.unknown()) });
export const passkeyRow = z.object({
  id: id('passkey'),
  name: z.string(),
  createdAtMs: instantMs,
  lastUsedAtMs: instantMs.nullable(),
});
export const passkeys = z.object({ passkeys: z.array(passkeyRow) });

/** GET users, POST users, PATCH users/:id, POST users/:id/reset-password, .../reset-second-factor, .../end-login-sessions: administrators only. */
export const userRow = z.object({
  id: z.string(),
  name: z.string(),
  displayName: z.string(),
  role,
  disabled: z.boolean(),
  lockedUntilMs: instantMs.nullable(),
  mustChangePassword: z.boolean(),
  secondFactors: z.array(z.enum(['totp', 'passkey'])),
  createdAtMs: instantMs,
  lastLoginAtMs: instantMs.nullable(),
});
export type UserRow = z.infer<typeof userRow>;
export const users = z.object({ users: z.array(userRow) });
export const createUserBody = z.object({ name: userName, displayName: optionalLine(100), role });
/** The one-time password is shown once, and never stored in clear. */
export const createdUser = z.object({ user: userRow, oneTimePassword: z.string() });
export const changeUserBody = z.object({
  displayName: line(100).optional(),
  role: role.optional(),
  disabled: z.boolean().optional(),
  unlock: z.literal(true).optional(),
});
export const oneTimePassword = z.object({ oneTimePassword: z.string() });
