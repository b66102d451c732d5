import type { Grant, Principal } from '@bascule/http/principal.ts';
import type { ApiScope } from '@bascule/protocol/api/failover.ts';
import { ACTIONS, SCOPE_ACTIONS, type Action } from './policy-actions.ts';

export type { Action } from './policy-actions.ts';

/** The part of a Jump Item that decides who may see it and jump to it. */
export interface GuardedItem {
  groupId: string | null;
}

/**
 * Proof that policy let `principal` do `action`, on `item` if one was asked about. Only this file makes one: the private field keeps object
 * literals from passing for it, and the class itself is not exported.
 */
class Granted<I extends GuardedItem | undefined> implements Grant {
  readonly principal: Principal;
  readonly action: Action;
  readonly item: I;
  readonly #mark = true;

  constructor(principal: Principal, action: Action, item: I) {
    this.principal = principal;
    this.action = action;
    this.item = item;
  }

  /** Whether `grant` came from here. */
  static is(grant: object): boolean {
    return #mark in grant && grant.#mark;
  }
}

export type AccessGrant<I extends GuardedItem | undefined = GuardedItem | undefined> = Granted<I>;

/** Who may do what on this site. */
export class Policy {
  readonly #groupIdsOfUser: (userId: string) => readonly string[];

  /** `groupIdsOfUser`: the Jump Groups a user is a member of, as they are now. */
  constructor(sources: { groupIdsOfUser(userId: string): readonly string[] }) {
    this.#groupIdsOfUser = (userId) => sources.groupIdsOfUser(userId);
  }

  /** The grant for `action`, or undefined: also for an action that does not exist. */
  authorize(principal: Principal, action: string): AccessGrant<undefined> | undefined {
    return isAction(action) && mayAct(principal, action) ? new Granted(principal, action, undefined) : undefined;
  }

  /** As `authorize`, on one item: administrators everything, users the items of Jump Groups they are members of. The grant carries the item. */
  authorizeItem<I extends GuardedItem>(principal: Principal, action: Action, item: I | undefined): AccessGrant<I> | undefined {
    if (item === undefined || !mayAct(principal, action)) return undefined;
    return this.mayJump(principal, item) ? new Granted(principal, action, item) : undefined;
  }

  /** Whether a user who is not asking just now may jump to the item: what an access session that runs depends on. */
  mayJump(user: Pick<Principal, 'id' | 'role'>, item: GuardedItem): boolean {
    return user.role === 'administrator' || this.#isMember(user, item);
  }

  /** Which items a list may show to `principal`; membership is looked up once, for all items. */
  itemFilter(principal: Principal): (item: GuardedItem) => boolean {
    if (principal.role === 'administrator') return () => true;
    const groupIds = new Set(this.#groupIdsOfUser(principal.id));
    return ({ groupId }) => groupId !== null && groupIds.has(groupId);
  }

  #isMember(principal: Pick<Principal, 'id'>, { groupId }: GuardedItem): boolean {
    return groupId !== null && this.#groupIdsOfUser(principal.id).includes(groupId);
  }
}

/** Whether `grant` is one of ours and no look-alike that passed through a cast. */
export function isAccessGrant(grant: object): boolean {
  return Granted.is(grant);
}

function isAction(action: string): action is Action {
  return Object.hasOwn(ACTIONS, action);
}

/** Whether one of an API token's scopes lets it do `action`; a scope that is not known here lets nothing. */
function isInScope(scopes: readonly string[], action: Action): boolean {
  return scopes.some((scope) => Object.hasOwn(SCOPE_ACTIONS, scope) && SCOPE_ACTIONS[scope as ApiScope].includes(action));
}

function mayAct(principal: Principal, action: Action): boolean {
  if (principal.state !== 'ok' && action !== 'account.own') return false;
  if (principal.token !== undefined && !isInScope(principal.token.scopes, action)) return false;
  return principal.role === 'administrator' || ACTIONS[action] === 'user';
}
