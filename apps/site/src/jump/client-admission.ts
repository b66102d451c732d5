import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import { defineAuditEvent, type AuditEvent } from '@bascule/store/audit.ts';
import type { FromClient } from '@bascule/protocol/control-link.ts';
import type { ClientNotes } from './client-notes.ts';
import { doubt, takeRecord, type BorneRecord } from './borne-record.ts';
import { enrolClient, sha256 } from './enrolment.ts';
import type { TokenRules } from './installer-tokens.ts';
import { EnrolmentRefused } from './jump-errors.ts';
import * as rows from './jump-store.ts';
import type { ClientState } from './jump-store.ts';
import type { Hello, LinkCertificate } from './link.ts';
import { CLIENT_CERTIFICATE_LIFE_MS, type SiteIdentity } from './site-identity.ts';
import { WindowLimit } from './window-limit.ts';

/** A last-seen time in the database that is younger than this is not written again at a connect. */
const LAST_SEEN_FRESH_MS = 60 * 60_000;
/** Certificates issued in one second only because a former identity had issued the one in use, which stays good: a reconnect storm must not become one of issuing. */
const REISSUED_PER_SECOND = 50;
/**
 * Clients that wait to be confirmed. Each bears a certificate of this site's, so there are so many after a restore of a whole fleet, or when a key of the site identity
 * was stolen; then they must not fill the database. More than can be connected at once: those that are confirmed make room for the others.
 */
export const TO_BE_CONFIRMED_LIMIT = 20_000;
/** How often it is looked again whether there is room, and how often the audit log says that there is none. */
const ROOM_RECOUNTED_MS = 10_000;
const NO_ROOM_TOLD_MS = 60 * 60_000;

const unknownListed = defineAuditEvent(
  'JUMP_CLIENT_UNKNOWN',
  'Jump Client {client} on {hostName} has a valid certificate but is unknown here: listed to be confirmed',
);
const unknownNotListed = defineAuditEvent(
  'JUMP_CLIENTS_UNKNOWN_LIMIT',
  '{waiting} Jump Clients wait to be confirmed: further unknown ones are refused until some are confirmed, revoked or deleted',
);
const doubted = defineAuditEvent(
  'JUMP_CLIENT_DOUBTED',
  'Jump Client {name} bears a newer record that says it was revoked: it is to be confirmed again',
);
const enrolmentRefused = defineAuditEvent('JUMP_ENROLMENT_REFUSED', 'Refused an enrolment from {address}: {reason}');

export interface ClientAdmissionOptions {
  store: Store;
  identity: SiteIdentity;
  notes: ClientNotes;
  now(): number;
  /** A client has a row now. */
  listed(clientId: string, name: string): void;
  /** A client's state and comment have changed. */
  doubted(clientId: string): void;
  /** What the record that a client bears says, if it is good. */
  readRecord(clientId: string, record: string): BorneRecord | undefined;
  audit(event: AuditEvent, address: string): void;
  /** What goes with a token besides its group. */
  rulesOf(tokenId: string): TokenRules | undefined;
  /** Instead of `TO_BE_CONFIRMED_LIMIT`, in tests. */
  toBeConfirmedLimit?: number;
}

/** Who comes in: clients that are known, clients with a certificate that are not, and those that enrol. */
export class ClientAdmission {
  readonly #options: ClientAdmissionOptions;
  readonly #reissueLimit: WindowLimit;
  readonly #noRoomTold: WindowLimit;
  /** At least as many wait to be confirmed: counted at a time, and listed since. */
  #waiting = { atMs: -Infinity, count: Infinity };

  constructor(options: ClientAdmissionOptions) {
    this.#options = options;
    const perSecond = { perKey: REISSUED_PER_SECOND, inAll: REISSUED_PER_SECOND };
    this.#reissueLimit = new WindowLimit({ windowMs: 1000, ...perSecond, now: options.now });
    this.#noRoomTold = new WindowLimit({ windowMs: NO_ROOM_TOLD_MS, perKey: 1, inAll: 1, now: options.now });
  }

  /**
   * Whether a client of this id may have that key: one that is known has the key it was enrolled with, whoever issued the certificate. The keys of former site
   * identities still issue certificates that are taken; they must not lead to somebody else's Jump Client (docs/decisions/0177).
   */
  isKeyOf(clientId: string, publicKey: () => Buffer): boolean {
    const known = rows.keySha256Of(this.#options.store, clientId);
    return known === undefined || known === sha256(publicKey());
  }

  /**
   * What the site makes of a client that says hello; a client that it does not know is listed to be confirmed, unless too many are. Throws what the store throws.
   */
  admit(clientId: string, hello: Hello, publicKey: () => Buffer, address: string): ClientState | 'no-room' {
    const { store, notes, now } = this.#options;
    const { facts, software } = hello;
    const record = hello.record === undefined ? undefined : this.#options.readRecord(clientId, hello.record);
    const row = rows.admissionOf(store, clientId);
    if (row === undefined) {
      if (rows.isDeleted(store, clientId)) return 'revoked';
      if (!this.#hasRoom()) return 'no-room';
      this.#listUnknown({ clientId, facts, record }, publicKey, address);
      return 'to-be-confirmed';
    }
    if (record?.state === 'revoked' && record.isNewer && row.state !== 'revoked' && row.state !== 'to-be-confirmed') {
      store.transact({ ...SYSTEM, address }, doubted({ client: clientId, name: record.name }), (tx) =>
        doubt(tx, clientId, record),
      );
      row.state = 'to-be-confirmed';
      this.#options.doubted(clientId);
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
    const isDue = certificate.endMs - now() <= CLIENT_CERTIFICATE_LIFE_MS / 3;
    if (!isDue && (certificate.issuer === identity.subject || !this.#reissueLimit.take(''))) return undefined;
    return identity.issueClientCertificate(clientId, publicKey());
  }

  /** Whether one more may be listed to be confirmed. Counting is left for when it may matter: a whole fleet may come back. */
  #hasRoom(): boolean {
    const { store, now, audit, toBeConfirmedLimit: limit = TO_BE_CONFIRMED_LIMIT } = this.#options;
    if (this.#waiting.count >= limit && now() - this.#waiting.atMs >= ROOM_RECOUNTED_MS)
      this.#waiting = { atMs: now(), count: rows.countToBeConfirmed(store) };
    if (this.#waiting.count < limit) return true;
    if (this.#noRoomTold.take('')) audit(unknownNotListed({ waiting: this.#waiting.count }), '');
    return false;
  }

  /** Under the name, group and tags of its record, if it bears one. */
  #listUnknown(
    { clientId, facts, record }: { clientId: string; facts: Hello['facts']; record: BorneRecord | undefined },
    publicKey: () => Buffer,
    address: string,
  ): void {
    const keySha256 = sha256(publicKey());
    const name = record?.name ?? (facts.hostName.trim() || 'unnamed');
    const context: Context = { actor: { kind: 'jump-client', id: clientId, name }, address };
    const event = unknownListed({ client: clientId, hostName: facts.hostName, name, hasRecord: record !== undefined });
    const about = { id: clientId, name, state: 'to-be-confirmed', facts, keySha256, tokenId: null } as const;
    this.#options.store.transact(context, event, (tx) => {
      const groupId = record?.groupName == null ? null : (rows.groupIdByName(tx, record.groupName) ?? null);
      rows.insertClient(tx, { ...about, groupId, nowMs: this.#options.now() });
      if (record !== undefined) takeRecord(tx, clientId, record);
    });
    this.#waiting.count += 1;
    this.#options.listed(clientId, name);
  }
}
