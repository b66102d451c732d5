import type { Context, Store } from '@bascule/store/store.ts';
import { defineAuditEvent, type AuditEvent } from '@bascule/store/audit.ts';
import type { FromClient } from '@bascule/protocol/control-link.ts';
import type { ClientNotes } from './client-notes.ts';
import { enrolClient, sha256 } from './enrolment.ts';
import type { TokenRules } from './installer-tokens.ts';
import { EnrolmentRefused } from './jump-errors.ts';
import * as rows from './jump-store.ts';
import type { ClientState } from './jump-store.ts';
import type { Hello, LinkCertificate } from './link.ts';
import { CLIENT_CERTIFICATE_LIFE_MS, type SiteIdentity } from './site-identity.ts';

/** A last-seen time in the database that is younger than this is not written again at a connect. */
const LAST_SEEN_FRESH_MS = 60 * 60_000;

const unknownListed = defineAuditEvent(
  'JUMP_CLIENT_UNKNOWN',
  'Jump Client {client} on {hostName} has a valid certificate but is unknown here: listed to be confirmed',
);
const enrolmentRefused = defineAuditEvent('JUMP_ENROLMENT_REFUSED', 'Refused an enrolment from {address}: {reason}');

export interface ClientAdmissionOptions {
  store: Store;
  identity: SiteIdentity;
  notes: ClientNotes;
  now(): number;
  /** A client has a row now. */
  listed(clientId: string, name: string): void;
  audit(event: AuditEvent, address: string): void;
  /** What goes with a token besides its group. */
  rulesOf(tokenId: string): TokenRules | undefined;
}

/** Who comes in: clients that are known, clients with a certificate that are not, and those that enrol. */
export class ClientAdmission {
  readonly #options: ClientAdmissionOptions;

  constructor(options: ClientAdmissionOptions) {
    this.#options = options;
  }

  /** What the site makes of a client that says hello; a client that it does not know is listed to be confirmed. Throws what the store throws. */
  admit(clientId: string, { facts, software }: Hello, publicKey: () => Buffer, address: string): ClientState {
    const { store, notes, now } = this.#options;
    const row = rows.admissionOf(store, clientId);
    if (row === undefined) {
      if (rows.isDeleted(store, clientId)) return 'revoked';
      this.#listUnknown(clientId, facts, publicKey, address);
      return 'to-be-confirmed';
    }
    if (row.state !== 'revoked') {
      const isSame = rows.sameFacts(row, facts) && (software === undefined || rows.softwareText(software) === row.software);
      if (!isSame || notes.factsOf(clientId) !== undefined) notes.noteFacts(clientId, facts, software);
      const nowMs = now();
      if (nowMs - (row.lastSeenAtMs ?? 0) > LAST_SEEN_FRESH_MS) notes.noteSeen(clientId, nowMs);
    }
    return row.state;
  }

  /** Enrols a client (wire 3.3). Throws EnrolmentRefused, which is audited. */
  async enrol(message: Extract<FromClient, { kind: 'enrol' }>, challenge: string, address: string) {
    const { store, identity, now, rulesOf } = this.#options;
    try {
      const enrolled = await enrolClient({ store, identity, message, challenge, address, nowMs: now(), rulesOf });
      if (enrolled.isNew) this.#options.listed(enrolled.client, enrolled.name);
      return { client: enrolled.client, certificate: enrolled.certificate, authority: identity.certificatePem };
    } catch (error) {
      if (error instanceof EnrolmentRefused)
        this.#options.audit(enrolmentRefused({ address, reason: error.reason, hostName: message.facts.hostName }), address);
      throw error;
    }
  }

  /** Another certificate, when `certificate` has less than a third of its life left or a former site identity has issued it. */
  renew(clientId: string, certificate: LinkCertificate, publicKey: () => Buffer): Promise<string> | undefined {
    const { identity, now } = this.#options;
    const isOfNow = certificate.issuer === identity.subject;
    if (isOfNow && certificate.endMs - now() > CLIENT_CERTIFICATE_LIFE_MS / 3) return undefined;
    return identity.issueClientCertificate(clientId, publicKey());
  }

  #listUnknown(clientId: string, facts: Hello['facts'], publicKey: () => Buffer, address: string): void {
    const keySha256 = sha256(publicKey());
    const name = facts.hostName.trim() || 'unnamed';
    const context: Context = { actor: { kind: 'jump-client', id: clientId, name }, address };
    this.#options.store.transact(context, unknownListed({ client: clientId, hostName: facts.hostName }), (tx) =>
      rows.insertClient(tx, {
        id: clientId,
        name,
        groupId: null,
        state: 'to-be-confirmed',
        facts,
        keySha256,
        tokenId: null,
        nowMs: this.#options.now(),
      }),
    );
    this.#options.listed(clientId, name);
  }
}
