import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, join } from 'node:path';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import type { FromSite, ToSite } from '@bascule/protocol/base-site.ts';
import { readPair, RENEW_BEFORE_DAYS, renewSelfMade, type WebCertificate } from './web-certificate.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** As many as the contract with the site takes. */
const NAMES_TOLD_MAX = 200;

export type CertificateQuestion = Extract<FromSite, { kind: 'ask-certificate' | 'take-certificate' }>;
type CertificateAnswer = Extract<ToSite, { kind: 'certificate' }>;

export interface HandedOptions {
  directory: string;
  /** The box's own, self-made. */
  own(): WebCertificate;
  /** What a person has chosen to be served, when there is such a choice: for a host, and all names of it. */
  others?: { forHost(host: string): WebCertificate; names(): string[] };
  now?: () => number;
}

/**
 * The web certificate of the shared name that the primary handed over when a failover relationship was established (docs/spec/pair.md, 4.6): `shared.pem` in `directory`,
 * beside this box's own, which it never replaces. The front door serves it to whoever asks for one of its names, unless a person has chosen another one for that name.
 */
export class HandedCertificate {
  readonly #file: string;
  readonly #own: () => WebCertificate;
  readonly #others: HandedOptions['others'];
  readonly #now: () => number;
  #current: WebCertificate | undefined;

  /** Told of one that was taken or made anew, when it is on disk. */
  onChanged: (certificate: WebCertificate) => void = () => undefined;
  /** Told before the key for `host` is given to main; when it throws, none is. */
  onGive: (host: string) => void = () => undefined;

  constructor(options: HandedOptions) {
    this.#file = join(options.directory, 'shared.pem');
    this.#own = () => options.own();
    this.#others = options.others;
    this.#now = options.now ?? Date.now;
    this.#current = readStored(this.#file);
  }

  /** Undefined while none was handed over. */
  get current(): WebCertificate | undefined {
    return this.#current;
  }

  /** The names that whoever dials may ask for to get it; this box goes on to answer for itself as `localhost`, and names no address. */
  get namesAsked(): string[] {
    return (this.#current?.names ?? []).filter((name) => isIP(name) === 0 && name !== 'localhost');
  }

  /** SHA-256 (base64) of the public key that `host` is served with. */
  keyPinFor(host: string): string {
    return this.#servedFor(host).keyPin;
  }

  /** Answers main. A certificate that cannot be used is refused in words; what was there stays then. */
  answer(question: CertificateQuestion): CertificateAnswer {
    const { nonce } = question;
    if (question.kind === 'ask-certificate') {
      const answer: CertificateAnswer = { kind: 'certificate', nonce, names: this.#names() };
      return question.withKey ? { ...answer, ...this.#give(question.host) } : answer;
    }
    try {
      this.#take(readPair(question.keyPem, question.certificatePem));
    } catch {
      const error = 'The certificate that was handed over cannot be used: it does not belong to its key, or could not be stored.';
      return { kind: 'certificate', nonce, names: this.#names(), error };
    }
    return { kind: 'certificate', nonce, names: this.#names() };
  }

  /** A self-made one whose end is near is made anew for the same key and names, so that the name goes on to be served when its first maker is gone. */
  async renew(): Promise<void> {
    const current = this.#current;
    if (current?.selfMade !== true || current.notAfterMs - this.#now() >= RENEW_BEFORE_DAYS * DAY_MS) return;
    this.#take(await renewSelfMade(current, this.#now));
  }

  #give(host: string): Pick<CertificateAnswer, 'certificatePem' | 'keyPem' | 'error'> {
    try {
      this.onGive(host);
    } catch {
      return { error: 'base could not write down that it gives the key: look at the free space of its disk' };
    }
    const { cert, key } = this.#servedFor(host);
    return { certificatePem: cert, keyPem: key };
  }

  #take(certificate: WebCertificate): void {
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    writeFileDurablySync(this.#file, `${certificate.key}${certificate.cert}`);
    this.#current = certificate;
    this.onChanged(certificate);
  }

  #servedFor(host: string): WebCertificate {
    if (this.#others !== undefined) return this.#others.forHost(host);
    const handed = this.#current;
    return handed !== undefined && covers(handed, host) ? handed : this.#own();
  }

  #names(): string[] {
    const names = [...(this.#others?.names() ?? this.#own().names), ...(this.#current?.names ?? [])];
    return [...new Set(names)].slice(0, NAMES_TOLD_MAX);
  }
}

function covers({ cert }: WebCertificate, host: string): boolean {
  const parsed = new X509Certificate(cert);
  return (isIP(host) === 0 ? parsed.checkHost(host) : parsed.checkIP(host)) !== undefined;
}

function readStored(file: string): WebCertificate | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    const certificateAt = text.indexOf('-----BEGIN CERTIFICATE-----');
    return readPair(text.slice(0, certificateAt), text.slice(certificateAt));
  } catch {
    return undefined;
  }
}
