import { z } from 'zod';
import type { LoginState, Principal } from '@bascule/http/principal.ts';
import { route, type AnyRoute, type LoginCookie } from '@bascule/http/route.ts';
import * as api from '@bascule/protocol/api/auth.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import { id } from '@bascule/protocol/text.ts';
import type { Visitor } from './account-parts.ts';
import { secondFactorsOf } from './account-parts.ts';
import type { Accounts } from './accounts.ts';
import { apiTokenRoutes } from './api-token-routes.ts';
import type { NewLogin } from './login-sessions.ts';

/** What the routes ask policy for. */
export const OWN_ACCOUNT = 'account.own';
export const MANAGE_USERS = 'users.manage';

const ANY_STATE: LoginState[] = ['second-factor', 'change-password', 'set-up-factor', 'ok'];
/** What whoever has to set up a second factor may do. */
const SETTING_UP: LoginState[] = ['set-up-factor', 'ok'];
const OK = { ok: true } as const;

type Request = { request: { headers: Record<string, string | string[] | undefined> }; context: { address: string } };

function visitorOf({ request, context }: Request): Visitor {
  const userAgent = request.headers['user-agent'];
  return { address: context.address, userAgent: typeof userAgent === 'string' ? userAgent : '' };
}

/** Everything in protocol/api/auth.ts, for either interface. */
export function accountRoutes(accounts: Accounts): AnyRoute[] {
  return [
    ...loginRoutes(accounts),
    ...ownAccountRoutes(accounts),
    ...secondFactorRoutes(accounts),
    ...userRoutes(accounts),
    ...(accounts.actorKind === 'user' ? apiTokenRoutes(accounts.apiTokens) : []),
  ];
}

function loginRoutes(accounts: Accounts): AnyRoute[] {
  const secondFactors = (principal: Principal) => secondFactorsOf(accounts.logins.account(principal.id));
  const admit = (login: NewLogin, cookie: LoginCookie) => {
    cookie.set(login.cookie);
    const { state, csrf } = login.principal;
    return { state, csrf, secondFactors: secondFactors(login.principal) };
  };
  return [
    route({
      method: 'POST',
      url: '/auth/login',
      action: 'public',
      rate: 'login',
      body: api.loginBody,
      answer: api.loginAnswer,
      async handle(call) {
        const login = await accounts.logins.withPassword(call.body.name, call.body.password, visitorOf(call));
        return admit(login, call.loginCookie);
      },
    }),
    route({
      method: 'POST',
      url: '/auth/login/totp',
      action: OWN_ACCOUNT,
      states: ['second-factor'],
      rate: 'login',
      body: api.totpCodeBody,
      answer: api.loginAnswer,
      handle: ({ principal, body, context, loginCookie }) =>
        admit(accounts.totp.finishLogin(principal, body.code, context.address), loginCookie),
    }),
    route({
      method: 'POST',
      url: '/auth/login/passkey/begin',
      action: 'public',
      rate: 'login',
      answer: api.passkeyOptions,
      async handle({ context, loginCookie, site }) {
        return { options: await accounts.passkeys.beginLogin(accounts.authenticate(loginCookie.value), context.address, site) };
      },
    }),
    route({
      method: 'POST',
      url: '/auth/login/passkey/finish',
      action: 'public',
      rate: 'login',
      body: api.passkeyResponseBody,
      answer: api.loginAnswer,
      async handle(call) {
        const pending = accounts.authenticate(call.loginCookie.value);
        return admit(
          await accounts.passkeys.finishLogin(pending, call.body.response, visitorOf(call), call.site),
          call.loginCookie,
        );
      },
    }),
    route({
      method: 'POST',
      url: '/auth/logout',
      action: OWN_ACCOUNT,
      states: ANY_STATE,
      answer: ok,
      handle({ principal, context, loginCookie }) {
        accounts.sessions.endOwn(context, principal, principal.loginSession, 'logged out');
        loginCookie.clear();
        return OK;
      },
    }),
  ];
}

function ownAccountRoutes(accounts: Accounts): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/auth/me',
      action: OWN_ACCOUNT,
      states: ANY_STATE,
      answer: api.me,
      handle({ principal }) {
        const account = accounts.logins.account(principal.id);
        return {
          ...principal,
          languageChosen: account.languageChosen === 1,
          asksCurrentPassword: account.mustChangePassword === 0,
          passwordMinCharacters: accounts.rules().passwords.minCharacters,
          secondFactors: secondFactorsOf(account),
          ...accounts.sessions.endsOf(principal.loginSession),
        };
      },
    }),
    route({
      method: 'PATCH',
      url: '/auth/me',
      action: OWN_ACCOUNT,
      body: api.changeMeBody,
      answer: ok,
      handle({ principal, body, context }) {
        accounts.users.changeOwn(context, principal.id, body);
        return OK;
      },
    }),
    route({
      method: 'POST',
      url: '/auth/password',
      action: OWN_ACCOUNT,
      states: ['change-password', 'ok'],
      rate: 'login',
      body: api.changePasswordBody,
      answer: ok,
      async handle({ principal, body, context }) {
        await accounts.logins.changePassword(context, principal, body);
        return OK;
      },
    }),
    route({
      method: 'GET',
      url: '/auth/sessions',
      action: OWN_ACCOUNT,
      answer: api.loginSessions,
      handle: ({ principal }) => ({ sessions: accounts.sessions.own(principal) }),
    }),
    route({
      method: 'DELETE',
      url: '/auth/sessions/:id',
      action: OWN_ACCOUNT,
      params: z.object({ id: id('loginSession') }),
      answer: ok,
      handle({ principal, params, context }) {
        accounts.sessions.endOwn(context, principal, params.id, 'by its owner');
        return OK;
      },
    }),
  ];
}

function secondFactorRoutes(accounts: Accounts): AnyRoute[] {
  return [
    route({
      method: 'POST',
      url: '/auth/totp/begin',
      action: OWN_ACCOUNT,
      states: SETTING_UP,
      rate: 'login',
      body: api.passwordBody,
      answer: api.totpBegin,
      handle: ({ principal, body, context }) => accounts.totp.begin(context, principal, body.password),
    }),
    route({
      method: 'POST',
      url: '/auth/totp/confirm',
      action: OWN_ACCOUNT,
      states: SETTING_UP,
      body: api.totpCodeBody,
      answer: ok,
      handle({ principal, body, context }) {
        accounts.totp.confirm(context, principal, body.code);
        return OK;
      },
    }),
    route({
      method: 'POST',
      url: '/auth/totp/remove',
      action: OWN_ACCOUNT,
      rate: 'login',
      body: api.passwordBody,
      answer: ok,
      async handle({ principal, body, context }) {
        await accounts.totp.remove(context, principal, body.password);
        return OK;
      },
    }),
    route({
      method: 'GET',
      url: '/auth/passkeys',
      action: OWN_ACCOUNT,
      states: SETTING_UP,
      answer: api.passkeys,
      handle: ({ principal }) => ({ passkeys: accounts.passkeys.own(principal) }),
    }),
    route({
      method: 'POST',
      url: '/auth/passkeys/begin',
      action: OWN_ACCOUNT,
      states: SETTING_UP,
      rate: 'login',
      body: api.passwordBody,
      answer: api.passkeyOptions,
      async handle({ principal, body, context, site }) {
        return { options: await accounts.passkeys.beginAdding(context, principal, body.password, site) };
      },
    }),
    route({
      method: 'POST',
      url: '/auth/passkeys/finish',
      action: OWN_ACCOUNT,
      states: SETTING_UP,
      body: api.passkeyFinishBody,
      answer: ok,
      async handle({ principal, body, context, site }) {
        await accounts.passkeys.finishAdding(context, principal, body, site);
        return OK;
      },
    }),
    route({
      method: 'POST',
      url: '/auth/passkeys/:id/remove',
      action: OWN_ACCOUNT,
      rate: 'login',
      params: z.object({ id: id('passkey') }),
      body: api.passwordBody,
      answer: ok,
      async handle({ principal, params, body, context }) {
        await accounts.passkeys.remove(context, principal, params.id, body.password);
        return OK;
      },
    }),
  ];
}

function userRoutes({ users, actorKind }: Accounts): AnyRoute[] {
  const params = z.object({ id: id(actorKind === 'user' ? 'user' : 'boxAdministrator') });
  return [
    route({ method: 'GET', url: '/users', action: MANAGE_USERS, answer: api.users, handle: () => ({ users: users.list() }) }),
    route({
      method: 'POST',
      url: '/users',
      action: MANAGE_USERS,
      body: api.createUserBody,
      answer: api.createdUser,
      handle: ({ body, context }) => users.create(context, body),
    }),
    route({
      method: 'PATCH',
      url: '/users/:id',
      action: MANAGE_USERS,
      params,
      body: api.changeUserBody,
      answer: api.userRow,
      handle: ({ params: { id: userId }, body, context }) => users.change(context, userId, body),
    }),
    route({
      method: 'POST',
      url: '/users/:id/reset-password',
      action: MANAGE_USERS,
      params,
      answer: api.oneTimePassword,
      async handle({ params: { id: userId }, context }) {
        return { oneTimePassword: await users.resetPassword(context, userId) };
      },
    }),
    route({
      method: 'POST',
      url: '/users/:id/reset-second-factor',
      action: MANAGE_USERS,
      params,
      answer: ok,
      handle({ params: { id: userId }, context }) {
        users.resetSecondFactor(context, userId);
        return OK;
      },
    }),
    route({
      method: 'POST',
      url: '/users/:id/end-login-sessions',
      action: MANAGE_USERS,
      params,
      answer: ok,
      handle({ params: { id: userId }, context, principal }) {
        users.endLoginSessions(context, userId, principal.loginSession);
        return OK;
      },
    }),
  ];
}
