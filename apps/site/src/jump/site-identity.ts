import { sign as signBytes, verify as verifyBytes, X509Certificate } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import { LINK_SERVER_NAME } from '@bascule/protocol/control-link.ts';
import {
  fingerprintOf,
  issueLeaf,
  keyToPem,
  makeAuthority,
  newKeyPair,
  pathLengthOf,
  readCertificate,
  readKeyPair,
  readPublicKey,
  rotatedName,
  type KeyPair,
} from './site-identity-certificates.ts';
import { FORMER_KEPT_MAX, IdentityFiles, type FormerIdentity, type IdentityState } from './site-identity-files.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const LINK_LEAF_LIFE_MS = 365 * DAY_MS;
/** How long a client certificate is valid; the client gets a new one when a third is left (protocol: `accepted.certificate`). */
export const CLIENT_CERTIFICATE_LIFE_MS = 2 * 365 * DAY_MS;
/** So many rotations may pass while a client is away, and it still follows: their certificates are sent in every handshake. */
export const ROTATIONS_FOLLOWED_MAX = 12;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

export interface LinkTls {
  /** PEM, PKCS #8. */
  key: string;
  /** PEM: the leaf, then what leads to each identity that a client may still trust. */
  certificate: string;
  /** PEM: the leaf, then the identity in force, as installer tokens name it (wire 3.3). */
  enrolCertificate: string;
  /** PEM: every authority whose client certificates are good, the one in force first. */
  authority: string;
}

/** What an identity says of the one before it, signed with its own key: so a signature of before can be followed back (audit-export 2.3). */
export function formerStatement(former: Pick<FormerIdentity, 'certificatePem' | 'sinceMs' | 'endedAtMs'>): string {
  return `bascule-former/1\n${fingerprintOf(former.certificatePem)}\n${former.sinceMs}\n${former.endedAtMs}`;
}

/**
 * The site identity: a small P-256 certificate authority that is the root of all trust between clients and the site
 * (architecture section 5, "Trust"). It issues link certificates and client certificates, and signs audit heads and client records.
 * It can be rotated: the one in force signs the certificate of its successor and is destroyed (docs/decisions/0158).
 */
export class SiteIdentity {
  readonly #files: IdentityFiles;
  readonly #now: () => number;
  readonly #listeners: (() => void)[] = [];
  #state: IdentityState;
  #keys: KeyPair;
  #isRotating = false;

  private constructor(files: IdentityFiles, state: IdentityState, keys: KeyPair, now: () => number) {
    this.#files = files;
    this.#state = state;
    this.#keys = keys;
    this.#now = now;
  }

  /**
   * Opens the identity in `keysDir`, or makes it. A rotation that was cut short is finished; the certificate of an authority of 0.1.0, which nothing can be signed
   * below, is issued anew for the same key. Throws `SITE_IDENTITY_INCOMPLETE` and `SITE_IDENTITY_DAMAGED`.
   */
  static async open(options: { keysDir: string; now?: () => number }): Promise<SiteIdentity> {
    const now = options.now ?? Date.now;
    const files = new IdentityFiles(options.keysDir);
    const state = await files.read(now());
    const identity = new SiteIdentity(files, state, await readKeyPair(state.keyPem), now);
    if (pathLengthOf(state.certificatePem) !== undefined) await identity.#reissue();
    return identity;
  }

  /** PEM of the authority in force. */
  get certificatePem(): string {
    return this.#state.certificatePem;
  }

  /** SHA-256 of the authority's certificate (DER), hex: what an installer token carries and a client pins (wire 3.3). */
  get fingerprintSha256(): string {
    return fingerprintOf(this.#state.certificatePem);
  }

  /** The subject of the authority as it stands in `issuer` of what it signs. */
  get subject(): string {
    return new X509Certificate(this.#state.certificatePem).subject;
  }

  /** Since when this key is in force. */
  get sinceMs(): number {
    return this.#state.sinceMs;
  }

  get expiresAtMs(): number {
    return readCertificate(this.#state.certificatePem).notAfter.getTime();
  }

  /** Those before it, newest first. */
  get former(): readonly FormerIdentity[] {
    return this.#state.former;
  }

  /** Heard after every rotation. */
  onChanged(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Whether an installer token that pins `fingerprint` still leads to this key. After a rotation it does not: such tokens are outdated. */
  isPinned(fingerprint: string): boolean {
    return fingerprint === this.fingerprintSha256 || this.#sameKey().some((pem) => fingerprintOf(pem) === fingerprint);
  }

  /** Whether a client that trusts `fingerprint` follows; with `afterRotation`, also when the identity is rotated once more. */
  isFollowedFrom(fingerprint: string, afterRotation = false): boolean {
    if (fingerprint === this.fingerprintSha256) return true;
    let rotations = afterRotation ? 1 : 0;
    for (const former of this.#state.former) {
      if (former.crossPem !== null) rotations += 1;
      if (fingerprintOf(former.certificatePem) !== fingerprint) continue;
      return rotations === 0 || (rotations <= ROTATIONS_FOLLOWED_MAX && pathLengthOf(former.certificatePem) === undefined);
    }
    return false;
  }

  /**
   * `accepted.authority` for a client that trusts `fingerprint`: PEM of the authority in force, then what leads to it from there. Undefined when there is nothing to be
   * told, or when the client could not follow.
   */
  authorityFor(fingerprint: string): string | undefined {
    if (fingerprint === this.fingerprintSha256 || !this.isFollowedFrom(fingerprint)) return undefined;
    const before = this.#state.former.findIndex(({ certificatePem }) => fingerprintOf(certificatePem) === fingerprint);
    const crosses = this.#state.former.slice(0, before + 1).flatMap(({ crossPem }) => crossPem ?? []);
    return [this.#state.certificatePem, ...crosses].join('');
  }

  /** Issues a new leaf for links, with a new key: name `link.bascule.internal`, server authentication, one year (wire 3.1). */
  async issueLinkTls(): Promise<LinkTls> {
    const pair = await newKeyPair();
    const leaf = await this.#issue({
      name: LINK_SERVER_NAME,
      publicKey: pair.publicKey,
      usage: SERVER_AUTH,
      lifeMs: LINK_LEAF_LIFE_MS,
      dnsName: LINK_SERVER_NAME,
    });
    const { certificatePem, former } = this.#state;
    const crosses = former.flatMap(({ crossPem }) => crossPem ?? []).slice(0, ROTATIONS_FOLLOWED_MAX);
    const enrolCertificate = [leaf, certificatePem, ...this.#sameKey()].join('');
    return {
      key: await keyToPem(pair),
      // Never the authority's own certificate beside those that lead to it: TLS libraries take the first that fits, and would end there.
      certificate: crosses.length === 0 ? enrolCertificate : [leaf, ...crosses].join(''),
      enrolCertificate,
      authority: [certificatePem, ...former.map((one) => one.certificatePem)].join(''),
    };
  }

  /** Issues a certificate (PEM) that says: the holder of `publicKey` (SPKI DER, P-256) is the client `clientId` (wire 3.4). Throws when the key is no P-256 key. */
  async issueClientCertificate(clientId: string, publicKey: Uint8Array): Promise<string> {
    const key = await readPublicKey(publicKey);
    return this.#issue({ name: clientId, publicKey: key, usage: CLIENT_AUTH, lifeMs: CLIENT_CERTIFICATE_LIFE_MS });
  }

  /** Signs `bytes` (ECDSA, SHA-256; the signature in DER): heads of the audit chain, client records. */
  sign(bytes: Uint8Array): Uint8Array {
    return signBytes('sha256', bytes, this.#state.keyPem);
  }

  /** Whether `signature` over `bytes` is this identity's, or that of one before it. */
  verify(bytes: Uint8Array, signature: Uint8Array): boolean {
    const pems = [this.#state.certificatePem, ...this.#state.former.map(({ certificatePem }) => certificatePem)];
    return pems.some((pem) => verifyBytes('sha256', bytes, new X509Certificate(pem).publicKey, signature));
  }

  /**
   * A new authority takes the place of the one in force, which signs its certificate and is destroyed. `commit` is called when the change is on disk and nothing has
   * been done yet; when it throws, nothing will be. Links that stand go on. False when the files could not be put in their places yet (a full disk): the next start does
   * it. Throws `IDENTITY_ROTATING` when one is under way.
   */
  async rotate(commit: (next: { formerSha256: string; fingerprintSha256: string }) => void = () => undefined): Promise<boolean> {
    if (this.#isRotating)
      throw new AppError('conflict', 'IDENTITY_ROTATING', 'The site identity is being rotated: wait a moment.');
    this.#isRotating = true;
    let isFinished: boolean;
    try {
      const keys = await newKeyPair();
      const { state: former, nowMs } = { state: this.#state, nowMs: this.#now() };
      const laterThanMs = readCertificate(former.certificatePem).notBefore.getTime();
      const about = { name: await rotatedName(keys.publicKey), keys, nowMs, laterThanMs };
      const certificatePem = await makeAuthority(about);
      const crossPem = await makeAuthority({
        ...about,
        issuer: { certificatePem: former.certificatePem, privateKey: this.#keys.privateKey },
      });
      const keyPem = await keyToPem(keys);
      isFinished = this.#decide({ keyPem, certificatePem, sinceMs: nowMs, crossPem }, keys, () =>
        commit({ formerSha256: fingerprintOf(former.certificatePem), fingerprintSha256: fingerprintOf(certificatePem) }),
      );
    } finally {
      this.#isRotating = false;
    }
    for (const listener of this.#listeners) listener();
    return isFinished;
  }

  /** The same key without the limit on the path: clients that trust the certificate of before still verify what this one signs. */
  async #reissue(): Promise<void> {
    const { keyPem, sinceMs, certificatePem: before } = this.#state;
    const laterThanMs = readCertificate(before).notBefore.getTime();
    const certificatePem = await makeAuthority({ keys: this.#keys, nowMs: this.#now(), laterThanMs });
    try {
      this.#decide({ keyPem, certificatePem, sinceMs, crossPem: null }, this.#keys, () => undefined);
    } catch {
      // No room on the disk: the former certificate does its work, and the next start tries again.
    }
  }

  #decide(
    next: Pick<IdentityState, 'keyPem' | 'certificatePem' | 'sinceMs'> & { crossPem: string | null },
    keys: KeyPair,
    commit: () => void,
  ): boolean {
    const { crossPem, ...identity } = next;
    const { certificatePem, sinceMs, former } = this.#state;
    const ended = { certificatePem, crossPem, sinceMs, endedAtMs: this.#now() };
    const vouch = signBytes('sha256', Buffer.from(formerStatement(ended)), identity.keyPem).toString('base64');
    const state = { ...identity, former: [{ ...ended, vouch }, ...former].slice(0, FORMER_KEPT_MAX) };
    this.#files.decide(state);
    try {
      commit();
    } catch (error) {
      this.#files.undecide();
      throw error;
    }
    this.#state = state;
    this.#keys = keys;
    try {
      this.#files.finish();
      return true;
    } catch {
      return false;
    }
  }

  /** Earlier certificates of the key in force. */
  #sameKey(): string[] {
    const { former } = this.#state;
    const rotatedAt = former.findIndex(({ crossPem }) => crossPem !== null);
    return former.slice(0, rotatedAt < 0 ? former.length : rotatedAt).map(({ certificatePem }) => certificatePem);
  }

  async #issue(leaf: { name: string; publicKey: CryptoKey; usage: string; lifeMs: number; dnsName?: string }): Promise<string> {
    return issueLeaf({
      ...leaf,
      authority: readCertificate(this.#state.certificatePem),
      signingKey: this.#keys.privateKey,
      nowMs: this.#now(),
    });
  }
}
