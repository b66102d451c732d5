import type { Language } from '@bascule/protocol/api/common.ts';
import type { Context } from '@bascule/store/store.ts';

/** What a login session still has to do before anything else works; `ok` is nothing. */
export type LoginState = 'second-factor' | 'change-password' | 'set-up-factor' | 'ok';

/** Whoever is behind a login session. */
export interface Principal {
  /** Of the account: `usr_...` or `box_...`. */
  id: string;
  name: string;
  displayName: string;
  role: 'administrator' | 'user';
  state: LoginState;
  /** Id of the login session, not its secret. */
  loginSession: string;
  /** What every changing request has to repeat in the CSRF header. */
  csrf: string;
  language: Language;
  /** Set when an API token asks instead of a person: policy lets it do what its scopes name, and nothing else. */
  token?: { name: string; scopes: readonly string[] };
}

/** Proof that policy let `principal` do `action`. The site's AccessGrant is one that cannot be forged. */
export interface Grant {
  readonly principal: Principal;
  readonly action: string;
}

/** What the server needs to know of accounts. The class Accounts is one. */
export interface LoginAuthority {
  readonly actorKind: 'user' | 'box-administrator';
  /** The principal of a login cookie's value, or undefined; counts as a sign of life of the login session, unless the page asked by itself (`background`). */
  authenticate(cookie: string | undefined, background?: boolean): Principal | undefined;
  /** The principal of an API token's text, or undefined; absent: this interface takes no tokens. `address`: who asks, for the audit event of a refusal. */
  authenticateToken?(text: string, address: string): Principal | undefined;
  /** Somebody logged in asked for what policy refuses: an audit event, at a bounded rate. */
  noteAccessRefused(context: Context, refused: { action: string; what: string }): void;
}
