import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
  type AuthenticationResponseJSON,
  type RegistrationResponseJSON,
} from '@simplewebauthn/server';
import { isIP } from 'node:net';
import { z } from 'zod';
import { newId } from '@bascule/core/ids.ts';
import { notFound } from '@bascule/errors/app-error.ts';
import type { Principal } from '@bascule/http/principal.ts';
import type { Site } from '@bascule/http/route.ts';
import type { Context } from '@bascule/store/store.ts';
import * as errors from './account-errors.ts';
import * as events from './account-events.ts';
import { contextOf, whoIs, type AccountParts, type Visitor } from './account-parts.ts';
import * as rows from './account-store.ts';
import type { AccountRow, PasskeyRow } from './account-store.ts';
import type { NewLogin } from './login-sessions.ts';
import type { Logins } from './logins.ts';
import { CHALLENGE_LIFE_MS, PasskeyChallenges, type ChallengePurpose } from './passkey-challenges.ts';

export const PASSKEYS_LIMIT = 20;

const text = z.string().max(32_768);
const clientData = z.object({ challenge: z.string().max(200) });
const transports = z.array(z.string().max(32)).max(8);
/** The parts of the browser's answers that are needed; what else is in them is left out. */
const authenticationResponse = z.object({
  id: text,
  rawId: text,
  type: z.literal('public-key'),
  response: z.object({ clientDataJSON: text, authenticatorData: text, signature: text, userHandle: text.optional() }),
});
const registrationResponse = z.object({
  id: text,
  rawId: text,
  type: z.literal('public-key'),
  response: z.object({ clientDataJSON: text, attestationObject: text, transports: transports.optional() }),
});

/** Passkeys (WebAuthn): as second factor, and as a login of their own when the authenticator has verified the person. */
export class Passkeys {
  readonly #parts: AccountParts;
  readonly #logins: Logins;
  readonly #challenges: PasskeyChallenges;

  constructor(parts: AccountParts, logins: Logins) {
    this.#parts = parts;
    this.#logins = logins;
    this.#challenges = new PasskeyChallenges(parts.now);
  }

  own(principal: Principal) {
    return rows
      .passkeysOf(this.#parts.store, principal.id)
      .map(({ id, name, createdAtMs, lastUsedAtMs }) => ({ id, name, createdAtMs, lastUsedAtMs }));
  }

  /** Options for `navigator.credentials.create`, after the password. Throws ACCOUNT_PASSWORD_WRONG, ACCOUNT_PASSKEYS_LIMIT, ACCOUNT_PASSKEY_NEEDS_NAME. */
  async beginAdding(context: Context, principal: Principal, password: string, site: Site): Promise<object> {
    assertNamed(site);
    const account = await this.#logins.confirmPassword(principal, password, 'body.password', context.address);
    if (account.passkeys >= PASSKEYS_LIMIT) throw errors.tooManyPasskeys(PASSKEYS_LIMIT);
    return await generateRegistrationOptions({
      rpName: this.#parts.rpName,
      rpID: site.hostName,
      userName: account.name,
      userDisplayName: account.displayName,
      userID: new Uint8Array(Buffer.from(account.id)),
      challenge: this.#challenges.make({ kind: 'register', loginSession: principal.loginSession }, context.address),
      timeout: CHALLENGE_LIFE_MS,
      attestationType: 'none',
      excludeCredentials: rows.passkeysOf(this.#parts.store, account.id).map(({ credentialId }) => ({ id: credentialId })),
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
    });
  }

  /** Stores the passkey that the browser made. Throws ACCOUNT_PASSKEY_REFUSED. */
  async finishAdding(
    context: Context,
    principal: Principal,
    added: { name: string; response: unknown },
    site: Site,
  ): Promise<void> {
    const parsed = registrationResponse.safeParse(added.response);
    const purpose = parsed.success ? this.#challenges.take(challengeIn(parsed.data.response.clientDataJSON)) : undefined;
    if (!parsed.success || purpose?.kind !== 'register' || purpose.loginSession !== principal.loginSession)
      throw errors.passkeyRefused();
    const verified = await verifyRegistrationResponse({
      response: { ...parsed.data, clientExtensionResults: {} } as RegistrationResponseJSON,
      expectedChallenge: challengeIn(parsed.data.response.clientDataJSON),
      expectedOrigin: site.origin,
      expectedRPID: site.hostName,
      requireUserVerification: false,
    }).catch((cause: unknown) => this.#refuse('registration', cause));
    if (!verified?.verified) throw errors.passkeyRefused();
    const { credential } = verified.registrationInfo;
    const nowMs = this.#parts.now();
    const account = this.#logins.account(principal.id);
    const row: PasskeyRow = {
      id: newId('passkey', nowMs),
      accountId: account.id,
      credentialId: credential.id,
      publicKey: credential.publicKey,
      counter: credential.counter,
      transports: JSON.stringify(parsed.data.response.transports ?? []),
      name: added.name,
      createdAtMs: nowMs,
      lastUsedAtMs: null,
    };
    this.#parts.store.transact(context, events.passkeyAdded({ ...whoIs(account), passkey: added.name }), (tx) => {
      if (rows.passkeyByCredential(tx, credential.id) !== undefined) throw errors.passkeyRefused();
      if (rows.passkeysOf(tx, account.id).length >= PASSKEYS_LIMIT) throw errors.tooManyPasskeys(PASSKEYS_LIMIT);
      rows.insertPasskey(tx, row);
    });
  }

  async remove(context: Context, principal: Principal, id: string, password: string): Promise<void> {
    const passkey = rows.passkeysOf(this.#parts.store, principal.id).find((row) => row.id === id);
    if (passkey === undefined) throw notFound();
    const account = await this.#logins.confirmPassword(principal, password, 'body.password', context.address);
    const event = events.passkeyRemoved({ ...whoIs(account), passkey: passkey.name });
    this.#parts.store.transact(context, event, (tx) => {
      rows.deletePasskey(tx, id);
      this.#logins.factorRemoved(tx, account);
    });
  }

  /** Options for `navigator.credentials.get`: for the second factor of `pending`, or for a login without name and password. */
  async beginLogin(pending: Principal | undefined, address: string, site: Site): Promise<object> {
    assertNamed(site);
    this.#logins.assertAddressFree(address);
    const isSecondFactor = pending?.state === 'second-factor';
    const purpose: ChallengePurpose = isSecondFactor
      ? { kind: 'second-factor', loginSession: pending.loginSession }
      : { kind: 'login' };
    const allowed = isSecondFactor ? rows.passkeysOf(this.#parts.store, pending.id) : [];
    return await generateAuthenticationOptions({
      rpID: site.hostName,
      challenge: this.#challenges.make(purpose, address),
      timeout: CHALLENGE_LIFE_MS,
      userVerification: isSecondFactor ? 'preferred' : 'required',
      allowCredentials: allowed.map(({ credentialId, transports: known }) => ({
        id: credentialId,
        transports: transports.parse(JSON.parse(known)),
      })),
    });
  }

  /** Completes the login that `beginLogin` began. Throws ACCOUNT_PASSKEY_FAILED whatever was wrong. */
  async finishLogin(pending: Principal | undefined, response: unknown, visitor: Visitor, site: Site): Promise<NewLogin> {
    this.#logins.assertAddressFree(visitor.address);
    const parsed = authenticationResponse.safeParse(response);
    const purpose = parsed.success ? this.#challenges.take(challengeIn(parsed.data.response.clientDataJSON)) : undefined;
    if (!parsed.success || purpose === undefined || purpose.kind === 'register') throw errors.passkeyFailed();
    const isSecondFactor = purpose.kind === 'second-factor';
    if (isSecondFactor && (pending?.state !== 'second-factor' || pending.loginSession !== purpose.loginSession))
      throw errors.passkeyFailed();

    const passkey = rows.passkeyByCredential(this.#parts.store, parsed.data.id);
    const account = passkey && rows.accountById(this.#parts.store, passkey.accountId);
    const newCounter = passkey && (await this.#verify(parsed.data as AuthenticationResponse, passkey, site, !isSecondFactor));
    const current = account && rows.accountById(this.#parts.store, account.id);
    const mayEnter = current !== undefined && this.#logins.maySignIn(current) && (!isSecondFactor || current.id === pending?.id);
    if (passkey === undefined || newCounter === undefined || !mayEnter) {
      this.#logins.noteFailure(account, visitor.address, 'passkey');
      throw errors.passkeyFailed();
    }
    return this.#complete(current, passkey, newCounter, isSecondFactor ? pending : undefined, visitor);
  }

  #complete(
    account: AccountRow,
    passkey: PasskeyRow,
    newCounter: number,
    pending: Principal | undefined,
    visitor: Visitor,
  ): NewLogin {
    const { store, kind } = this.#parts;
    const event = ({ principal: { loginSession } }: NewLogin) =>
      pending === undefined
        ? events.loggedIn({ ...whoIs(account), loginSession, by: 'passkey' })
        : events.secondFactorPassed({ ...whoIs(account), loginSession, by: 'passkey' });
    return store.transact(contextOf(kind, account, visitor.address), event, (tx) => {
      if (!rows.spendPasskeyCounter(tx, passkey.id, passkey.counter, newCounter, this.#parts.now())) throw errors.passkeyFailed();
      if (pending !== undefined) return this.#logins.passSecondFactor(tx, account, pending, visitor.address);
      return this.#logins.startVerified(tx, account, visitor);
    });
  }

  /** The authenticator's new counter; undefined when the answer is not sound, or its counter went back. */
  async #verify(
    response: AuthenticationResponse,
    passkey: PasskeyRow,
    site: Site,
    needsVerification: boolean,
  ): Promise<number | undefined> {
    const verified = await verifyAuthenticationResponse({
      response: { ...response, clientExtensionResults: {} } as AuthenticationResponseJSON,
      expectedChallenge: challengeIn(response.response.clientDataJSON),
      expectedOrigin: site.origin,
      expectedRPID: site.hostName,
      requireUserVerification: needsVerification,
      credential: { id: passkey.credentialId, publicKey: new Uint8Array(passkey.publicKey), counter: passkey.counter },
    }).catch((cause: unknown) => this.#refuse('authentication', cause));
    return verified?.verified ? verified.authenticationInfo.newCounter : undefined;
  }

  #refuse(step: string, cause: unknown): undefined {
    this.#parts.log.info({ step, reason: cause instanceof Error ? cause.message : String(cause) }, 'accounts.passkey-refused');
    return undefined;
  }
}

type AuthenticationResponse = z.infer<typeof authenticationResponse>;

function assertNamed(site: Site): void {
  if (isIP(site.hostName) !== 0) throw errors.passkeyNeedsName();
}

/** The challenge that the browser says it answers; empty when there is none. The library compares it with what was signed. */
function challengeIn(clientDataJson: string): string {
  try {
    return clientData.safeParse(JSON.parse(Buffer.from(clientDataJson, 'base64url').toString('utf8'))).data?.challenge ?? '';
  } catch {
    return '';
  }
}
