import type { AccountRules } from '@bascule/protocol/api/security.ts';
import type { Log } from '@bascule/log/log.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import type { AccountRow } from './account-store.ts';
import type { KeyWrap } from './key-wrap.ts';
import type { PasswordHasher } from './password-hash.ts';

export type AccountKind = 'user' | 'boxAdministrator';

/** What every part of accounts works with. */
export interface AccountParts {
  store: Store;
  kind: AccountKind;
  /** The name that authenticator programs show. */
  rpName: string;
  limits(): { idleMinutes: number; maxHours: number };
  rules(): AccountRules;
  keyWrap: KeyWrap;
  log: Log;
  now(): number;
  hasher: PasswordHasher;
}

/** Who asks: a browser at an address. */
export interface Visitor {
  address: string;
  userAgent: string;
}

export const actorKindOf = (kind: AccountKind) => (kind === 'user' ? 'user' : 'box-administrator');

/** The context of what an account does for itself. */
export function contextOf(kind: AccountKind, account: Pick<AccountRow, 'id' | 'name'>, address: string): Context {
  return { actor: { kind: actorKindOf(kind), id: account.id, name: account.name }, address };
}

/** Somebody who is not logged in (yet). */
export function strangerAt(address: string): Context {
  return { actor: { kind: 'system', id: null, name: 'not logged in' }, address };
}

export type SecondFactor = 'totp' | 'passkey';

export function secondFactorsOf(account: Pick<AccountRow, 'totpSecret' | 'passkeys'>): SecondFactor[] {
  return [...(account.totpSecret === null ? [] : ['totp' as const]), ...(account.passkeys > 0 ? ['passkey' as const] : [])];
}

/** For audit events. */
export const whoIs = (account: Pick<AccountRow, 'id' | 'name'>) => ({ account: account.id, name: account.name });
