import { createHash, createPublicKey, randomBytes, timingSafeEqual, verify, type KeyObject } from 'node:crypto';
import { newId } from '@bascule/core/ids.ts';
import { enrolmentProofText, parseInstallerToken, type FromClient } from '@bascule/protocol/control-link.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Store } from '@bascule/store/store.ts';
import { EnrolmentRefused } from './jump-errors.ts';
import { clientIdByKey, insertClient, takeTokenUse, tokenByLookup, type TokenRow } from './jump-store.ts';
import type { TokenRules } from './installer-tokens.ts';
import type { SiteIdentity } from './site-identity.ts';

const clientEnrolled = defineAuditEvent(
  'JUMP_CLIENT_ENROLLED',
  'Enrolled Jump Client {name} on {hostName} with the installer token {token}',
  { waitsForPeer: true },
);
const clientEnrolledAgain = defineAuditEvent(
  'JUMP_CLIENT_ENROLLED_AGAIN',
  'Issued another certificate to Jump Client {client}, whose enrolment was cut short',
  { waitsForPeer: true },
);

type Enrol = Extract<FromClient, { kind: 'enrol' }>;

export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Makes a token's row and its text; the text exists nowhere else. */
export function newToken(options: { identity: SiteIdentity; nowMs: number }): {
  id: string;
  lookup: string;
  secretSha256: string;
  text: string;
} {
  const lookup = randomBytes(16).toString('base64url');
  const secret = randomBytes(32).toString('base64url');
  return {
    id: newId('installerToken', options.nowMs),
    lookup,
    secretSha256: sha256(secret),
    text: `bjt1.${lookup}.${secret}.${options.identity.fingerprintSha256}`,
  };
}

function readPublicKey(spki: Buffer): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch {
    throw new EnrolmentRefused('wrong-key');
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new EnrolmentRefused('wrong-key');
  return key;
}

/** The token that `text` names, with its secret checked in constant time. Throws EnrolmentRefused. */
function readToken(store: Store, text: string, identity: SiteIdentity): { token: TokenRow; secret: string } {
  const parts = parseInstallerToken(text);
  if (parts === undefined) throw new EnrolmentRefused('malformed-token');
  if (!identity.isPinned(parts.identitySha256)) throw new EnrolmentRefused('wrong-identity');
  const token = tokenByLookup(store, parts.lookup);
  if (token === undefined) throw new EnrolmentRefused('unknown-token');
  if (!timingSafeEqual(Buffer.from(sha256(parts.secret)), Buffer.from(token.secretSha256)))
    throw new EnrolmentRefused('wrong-secret');
  return { token, secret: parts.secret };
}

export interface Enrolled {
  client: string;
  certificate: string;
  /** Whether a new row was made. */
  isNew: boolean;
  name: string;
}

/**
 * Enrols a client (wire 3.3): token, proof of the key, certificate, row; the use of the token is counted in the transaction that makes the
 * row. The same key with the same token again (its answer was lost on the way) gets its certificate again without another use.
 * Throws EnrolmentRefused.
 */
export async function enrolClient(options: {
  store: Store;
  identity: SiteIdentity;
  message: Enrol;
  challenge: string;
  address: string;
  nowMs: number;
  /** What goes with a token besides its group. */
  rulesOf(tokenId: string): TokenRules | undefined;
}): Promise<Enrolled> {
  const { store, identity, message, nowMs } = options;
  const { token, secret } = readToken(store, message.token, identity);
  const spki = Buffer.from(message.publicKey, 'base64');
  const key = readPublicKey(spki);
  const proofText = Buffer.from(enrolmentProofText(secret, options.challenge));
  if (!verify('sha256', proofText, key, Buffer.from(message.proof, 'base64'))) throw new EnrolmentRefused('wrong-proof');
  if (token.revoked === 1) throw new EnrolmentRefused('revoked');
  if (token.validUntilMs <= nowMs) throw new EnrolmentRefused('expired');
  const rules = options.rulesOf(token.id);
  if (rules?.refuse !== undefined) throw new EnrolmentRefused(rules.refuse.reason, rules.refuse);

  const keySha256 = sha256(spki);
  const name = (message.name ?? message.facts.hostName).trim() || 'unnamed';
  const existing = clientIdByKey(store, keySha256);
  if (existing !== undefined && existing.tokenId === token.id && existing.state !== 'revoked') {
    const certificate = await identity.issueClientCertificate(existing.id, spki);
    const context = { actor: { kind: 'jump-client' as const, id: existing.id, name }, address: options.address };
    store.transact(context, clientEnrolledAgain({ client: existing.id }), () => undefined);
    return { client: existing.id, certificate, isNew: false, name };
  }
  if (token.usesLeft <= 0) throw new EnrolmentRefused('used-up');
  const client = newId('jumpClient', nowMs);
  const certificate = await identity.issueClientCertificate(client, spki);
  const context = { actor: { kind: 'jump-client' as const, id: client, name }, address: options.address };
  const event = clientEnrolled({
    client,
    name,
    hostName: message.facts.hostName,
    token: token.name,
    tokenId: token.id,
    address: options.address,
  });
  store.transact(context, event, (tx) => {
    if (!takeTokenUse(tx, token.id, nowMs)) throw new EnrolmentRefused('used-up');
    // Read again: the group may have been deleted since.
    const groupId = tokenByLookup(tx, token.lookup)?.groupId ?? null;
    const state = token.approveEach === 1 ? 'waiting-for-approval' : 'approved';
    insertClient(tx, { id: client, name, groupId, state, facts: message.facts, keySha256, tokenId: token.id, nowMs, rules });
  });
  return { client, certificate, isNew: true, name };
}
